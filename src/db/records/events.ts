import type { Database } from "bun:sqlite";

export interface EventRow {
  at: number;
  kind: string;
  message: string;
}

/** Records what was skipped, truncated, renamed, kept, withdrawn or deleted. */
export function record(db: Database, event: EventRow & { run?: number | null; artifact?: number | null }): void {
  db.query("INSERT INTO events (at, run, artifact, kind, message) VALUES (?, ?, ?, ?, ?)").run(
    event.at,
    event.run ?? null,
    event.artifact ?? null,
    event.kind,
    event.message,
  );
}

/** The same, where it is not recorded already: two ways of telling it may have led here. */
export function recordOnce(db: Database, event: EventRow & { run: number; artifact?: number | null }): void {
  const known = db.query("SELECT 1 FROM events WHERE run = ? AND artifact IS ? AND at = ? AND kind = ? AND message = ?");
  if (known.get(event.run, event.artifact ?? null, event.at, event.kind, event.message) === null) record(db, event);
}

export function ofRun(db: Database, run: number): EventRow[] {
  return db.query<EventRow, [number]>("SELECT at, kind, message FROM events WHERE run = ? ORDER BY seq").all(run);
}

export function ofArtifact(db: Database, artifact: number): EventRow[] {
  // what befalls an artifact is told with its run, by which there is an index
  return db
    .query<EventRow, [number]>(
      "SELECT at, kind, message FROM events WHERE run = (SELECT run FROM artifacts WHERE seq = ?1) AND artifact = ?1 ORDER BY seq",
    )
    .all(artifact);
}

/** With the uid of the artifact that each is of. */
export function ofRunByUid(db: Database, run: number): (EventRow & { artifact: string | null })[] {
  return db
    .query<EventRow & { artifact: string | null }, [number]>(
      "SELECT e.at, e.kind, e.message, a.uid AS artifact FROM events e LEFT JOIN artifacts a ON a.seq = e.artifact WHERE e.run = ? ORDER BY e.seq",
    )
    .all(run);
}
