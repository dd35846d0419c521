import type { Database } from "bun:sqlite";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";

/** Rows as like the first artifact's as can be: enough for graphs, and a thousand times as fast as keeping files. Returns their seqs. */
export function plantArtifacts(db: Database, like: ArtifactRow, count: number): number[] {
  const { seq: _, ...row } = like;
  const columns = Object.keys(row) as (keyof typeof row)[];
  const insert = db.query(`INSERT INTO artifacts (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`);
  return db.transaction(() =>
    Array.from({ length: count }, (_unused, index) => {
      const id = `${like.id}-${index}`;
      const planted = { ...row, uid: Bun.randomUUIDv7(), id, path: `${like.path}-${index}`, name: null };
      return Number(insert.run(...columns.map((column) => planted[column])).lastInsertRowid);
    }),
  )();
}

/** Edges without more ado, each from what was made to what it was made from. */
export function plantEdges(db: Database, edges: Iterable<readonly [artifact: number, dependency: number]>): void {
  const insert = db.query("INSERT INTO edges (artifact, dependency, position, implicit) VALUES (?, ?, 0, 0)");
  db.transaction(() => {
    for (const [artifact, dependency] of edges) insert.run(artifact, dependency);
  })();
}

/** Layers of two, each artifact made from both of the layer before: 2^layers ways lead through it. */
export function ladder(seqs: readonly number[]): [artifact: number, dependency: number][] {
  return seqs.flatMap((seq, index) => {
    const before = Math.floor(index / 2) * 2 - 2;
    return before < 0 ? [] : [[seq, seqs[before] as number] as [number, number], [seq, seqs[before + 1] as number] as [number, number]];
  });
}
