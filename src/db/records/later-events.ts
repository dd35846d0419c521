import type { Database } from "bun:sqlite";
import * as events from "./events.ts";
import type { EventRow } from "./events.ts";
import * as journal from "./journal.ts";
import * as runs from "./runs.ts";

/** Records what befell a run whose manifest is written already: the durable journal tells of it. */
export function recordLater(db: Database, { run, ...event }: EventRow & { run: number }): void {
  events.record(db, { run, ...event });
  journal.append(db, { did: "event", run: runs.bySeq(db, run)?.id, ...event });
}
