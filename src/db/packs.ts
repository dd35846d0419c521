import type { Database } from "bun:sqlite";

export interface PackRow {
  seq: number;
  id: string;
  path: string;
  dataset: string;
  size: number;
  created_at: number;
}

export function insert(db: Database, pack: Omit<PackRow, "seq">): number {
  return Number(
    db.query("INSERT INTO packs (id, path, dataset, size, created_at) VALUES (?, ?, ?, ?, ?)").run(pack.id, pack.path, pack.dataset, pack.size, pack.created_at).lastInsertRowid,
  );
}

export function bySeq(db: Database, seq: number): PackRow | null {
  return db.query<PackRow, [number]>("SELECT * FROM packs WHERE seq = ?").get(seq);
}

export function all(db: Database): PackRow[] {
  return db.query<PackRow, []>("SELECT * FROM packs ORDER BY seq").all();
}
