import * as events from "../db/records/events.ts";
import type { Change } from "../mlflow/tracking/log-values.ts";
import type { Delivering } from "./sync.ts";

/** What MLflow shows differently, or not at all. */
export interface Note {
  kind: "renamed" | "truncated" | "skipped" | "replaced" | "restored";
  message: string;
}

/** In words for people, and once in the run's events. */
export function tell({ sync: { store }, run, tally }: Delivering, note: Note): void {
  if (!tally.notes.includes(note.message)) tally.notes.push(note.message);
  if (events.ofRun(store.db, run.seq).every((event) => event.message !== note.message))
    store.transaction(() => events.record(store.db, { at: store.now(), run: run.seq, ...note }));
}

const TOGETHER = {
  metric: "their points lie together there",
  param: "it keeps the value that came first",
  tag: "it has the value that came last",
};

/** What MLflow takes differently, in words. */
export function noteOf({ kind, key, what, to }: Change): Note {
  if (what === "renamed")
    return { kind: "renamed", message: `${kind} “${key}” is called “${to}” on the server: MLflow does not take its name` };
  if (what === "merged")
    return {
      kind: kind === "metric" ? "renamed" : "skipped",
      message: `${kind} “${key}” and another one have the name “${to}” on the server: ${TOGETHER[kind]}`,
    };
  if (what === "cut") return { kind: "truncated", message: `${kind} “${key}” was cut to ${to} characters for the server` };
  return { kind: "truncated", message: `${kind} “${key}” had characters that databases refuse; the server has it without them` };
}
