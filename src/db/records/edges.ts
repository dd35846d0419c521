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
export function dependencies(
  db: Database,
  artifact: number,
): { dependency: number; role: string; position: number; implicit: number; changed: number }[] {
  return db
    .query<{ dependency: number; role: string; position: number; implicit: number; changed: number }, [number]>(
      "SELECT dependency, role, position, implicit, changed FROM edges WHERE artifact = ? ORDER BY position, dependency",
    )
    .all(artifact);
}

/** Flags the edges from what a run made to those of its inputs that changed while it was reading them. */
export function markChanged(db: Database, run: number): void {
  db.query(
    `UPDATE edges SET changed = 1 WHERE artifact IN (SELECT seq FROM artifacts WHERE run = ?1)
       AND dependency IN (SELECT artifact FROM run_inputs WHERE run = ?1 AND changed = 1 AND artifact IS NOT NULL)`,
  ).run(run);
}

// Ways through the graph --------------------------------------------------------------------------------------------

/** An edge of the graph: of `edges`, or to a meta-model's source that has none there. */
export interface GraphEdge {
  artifact: number;
  dependency: number;
  role: string;
  position: number;
  implicit: number;
  changed: number;
}

/** up: to what something was made from; down: to what was made from it. */
export type Direction = "up" | "down";

const FAR = { up: "dependency", down: "artifact" } as const;

/** CROSS JOIN: the planner knows nothing of how many the list names. */
const LEAVING = { up: leaving("artifact", "artifact"), down: leaving("dependency", "source") };

function leaving(near: string, nearOfSources: string): string {
  return `SELECT e.artifact, e.dependency, e.role, e.position, e.implicit, e.changed FROM json_each(?1) f CROSS JOIN edges e ON e.${near} = f.value
    UNION ALL SELECT m.artifact, m.source, 'source', m.feature_index, 0, 0 FROM json_each(?1) f CROSS JOIN meta_sources m ON m.${nearOfSources} = f.value
      WHERE NOT EXISTS (SELECT 1 FROM edges s WHERE s.artifact = m.artifact AND s.dependency = m.source AND s.role = 'source')`;
}

/** Edges that lead from any of these in a direction. In no order. */
export function leadingFrom(db: Database, direction: Direction, artifacts: readonly number[]): Iterable<GraphEdge> {
  return db.query<GraphEdge, [string]>(LEAVING[direction]).iterate(JSON.stringify(artifacts));
}

/**
 * Walks from an artifact in one direction, level by level: `visit` sees each edge once, the nearest first. Nothing is asked beyond `levels`.
 * Returns how far each artifact is, itself included: the edges on the shortest way to it.
 */
export function walk(
  db: Database,
  start: number,
  direction: Direction,
  levels: number,
  visit: (edge: GraphEdge) => void,
): Map<number, number> {
  const distance = new Map([[start, 0]]);
  let level = [start];
  for (let steps = 1; level.length > 0 && steps <= levels; steps++) {
    const next: number[] = [];
    for (const edge of leadingFrom(db, direction, level)) {
      visit(edge);
      const far = edge[FAR[direction]];
      if (distance.has(far)) continue;
      distance.set(far, steps);
      next.push(far);
    }
    level = next;
  }
  return distance;
}

/** True where some version of an id, other than `itself`, is reached from any of these by dependencies (or is one of them). */
export function reachesId(db: Database, starts: readonly number[], id: string, itself = 0): boolean {
  // nothing leads to what is not there yet: most ids are new
  if (starts.length === 0 || !db.query("SELECT 1 FROM artifacts WHERE id = ? AND seq <> ? LIMIT 1").get(id, itself)) return false;
  return (
    db
      .query(
        `WITH RECURSIVE up (artifact) AS (
           SELECT value FROM json_each(?1)
           UNION SELECT e.dependency FROM up CROSS JOIN edges e ON e.artifact = up.artifact
           UNION SELECT m.source FROM up CROSS JOIN meta_sources m ON m.artifact = up.artifact)
         SELECT 1 FROM artifacts WHERE id = ?2 AND seq <> ?3 AND seq IN (SELECT artifact FROM up) LIMIT 1`,
      )
      .get(JSON.stringify(starts), id, itself) !== null
  );
}

/**
 * The number of edges on the longest way up from any of these. Counting ends beyond `limit`: what comes back is more than `limit` then, and no more is
 * read. Each artifact is asked once, however many ways lead to it.
 */
export function depth(db: Database, starts: readonly number[], limit: number): number {
  const statement = db.query("SELECT dependency FROM edges WHERE artifact = ?1 UNION SELECT source FROM meta_sources WHERE artifact = ?1");
  const above = (artifact: number): number[] => (statement.values(artifact) as [number][]).map(([seq]) => seq);
  const heights = new Map<number, number>();
  // what stands first has the starts above it, and is nothing itself
  const way: { artifact: number; left: number[]; height: number }[] = [{ artifact: 0, left: [...starts], height: 0 }];
  for (;;) {
    const here = way.at(-1) as (typeof way)[number];
    const next = here.left.pop();
    if (next === undefined) {
      way.pop();
      const below = way.at(-1);
      if (!below) return Math.max(0, here.height - 1);
      heights.set(here.artifact, here.height);
      below.height = Math.max(below.height, here.height + 1);
      continue;
    }
    const height = heights.get(next);
    if (way.length - 1 + (height ?? 0) > limit) return limit + 1;
    if (height === undefined) way.push({ artifact: next, left: above(next), height: 0 });
    else here.height = Math.max(here.height, height + 1);
  }
}
