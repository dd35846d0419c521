import type { Database } from "bun:sqlite";

export interface Edge {
  dependency: number;
  role: string;
  position: number;
  implicit: boolean;
}

/** An edge that nobody named gives way to one that somebody named. */
export function insert(db: Database, artifact: number, edges: Iterable<Edge>): void {
  const statement = db.query(
    `INSERT INTO edges (artifact, dependency, role, position, implicit) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (artifact, dependency, role) DO UPDATE SET implicit = min(implicit, excluded.implicit)`,
  );
  for (const edge of edges) statement.run(artifact, edge.dependency, edge.role, edge.position, edge.implicit ? 1 : 0);
}

/** What an artifact was made from, in order. */
export function dependencies(db: Database, artifact: number): { dependency: number; role: string; implicit: number; changed: number }[] {
  return db
    .query<{ dependency: number; role: string; implicit: number; changed: number }, [number]>(
      "SELECT dependency, role, implicit, changed FROM edges WHERE artifact = ? ORDER BY position, dependency",
    )
    .all(artifact);
}

/** True where some version of an id is reached from `start` by dependencies (or is it). */
export function reachesId(db: Database, start: number, id: string): boolean {
  return (
    db
      .query(
        `WITH RECURSIVE up (artifact) AS (SELECT ?1 UNION SELECT dependency FROM edges JOIN up ON edges.artifact = up.artifact)
         SELECT 1 FROM up JOIN artifacts ON seq = up.artifact WHERE id = ?2 LIMIT 1`,
      )
      .get(start, id) !== null
  );
}

/** The number of edges on the longest way up from an artifact, counted no further than `limit`. */
export function depth(db: Database, artifact: number, limit: number): number {
  const row = db
    .query<{ depth: number }, [number, number]>(
      `WITH RECURSIVE up (artifact, depth) AS (
         SELECT ?1, 0 UNION SELECT dependency, depth + 1 FROM edges JOIN up ON edges.artifact = up.artifact WHERE depth < ?2
       ) SELECT max(depth) AS depth FROM up`,
    )
    .get(artifact, limit);
  return row?.depth ?? 0;
}
