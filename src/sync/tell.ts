import * as events from "../db/events.ts";
import type { Delivering } from "./sync.ts";

/** What MLflow shows differently, or not at all. */
export interface Note {
  kind: "renamed" | "truncated" | "skipped";
  message: string;
}

/** In words for people, and once in the run's events. */
export function tell({ sync: { store }, run, tally }: Delivering, note: Note): void {
  tally.notes.push(note.message);
  if (events.ofRun(store.db, run.seq).every((event) => event.message !== note.message))
    store.transaction(() => events.record(store.db, { at: store.now(), run: run.seq, ...note }));
}
