import type { Database } from "bun:sqlite";

/** Gives a directory the members of another one, but for those with these digests (hex). */
export function insertFrom(db: Database, tree: number, other: number, without: readonly string[]): void {
  db.query(
    `INSERT OR IGNORE INTO tree_members (tree, member) SELECT ?1, member FROM tree_members WHERE tree = ?2
       AND member NOT IN (SELECT b.seq FROM json_each(?3) w CROSS JOIN blobs b ON b.blake3 = unhex(w.value))`,
  ).run(tree, other, JSON.stringify(without));
}

/** Where the members of a directory are, and in which states. */
export function places(
  db: Database,
  tree: number,
): { state: string; place: "file" | "pack" | "foreign"; pack: number | null; count: number }[] {
  return db
    .query<ReturnType<typeof places>[number], [number]>(
      `SELECT b.state, b.place, b.pack, count(*) AS count FROM tree_members m CROSS JOIN blobs b ON b.seq = m.member WHERE m.tree = ? GROUP BY b.state, b.place, b.pack`,
    )
    .all(tree);
}

/** Those that have files of their own. */
export function files(db: Database, tree: number): number[] {
  return (
    db
      .query("SELECT b.seq FROM tree_members m CROSS JOIN blobs b ON b.seq = m.member WHERE m.tree = ? AND b.place = 'file'")
      .values(tree) as [number][]
  ).map(([seq]) => seq);
}

export function hasDamage(db: Database, tree: number): boolean {
  return db.query("SELECT 1 FROM damage d CROSS JOIN tree_members m ON m.tree = ? AND m.member = d.blob LIMIT 1").get(tree) !== null;
}

/** Condemned ones are wanted again. False where one of them is past that, or there are not so many. */
export function revive(db: Database, tree: number, count: number): boolean {
  db.query(
    `UPDATE blobs SET state = 'live', condemned_at = NULL WHERE state = 'condemned' AND place <> 'foreign'
       AND EXISTS (SELECT 1 FROM tree_members WHERE tree = ? AND member = blobs.seq)`,
  ).run(tree);
  const row = db
    .query<{ live: number }, [number]>(
      "SELECT count(*) AS live FROM tree_members m CROSS JOIN blobs b ON b.seq = m.member WHERE m.tree = ? AND b.state = 'live' AND b.place <> 'foreign'",
    )
    .get(tree);
  return row?.live === count;
}
