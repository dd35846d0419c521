import type { Database } from "bun:sqlite";

export function set(db: Database, artifact: number, note: string | null, at: number): void {
  db.query("INSERT INTO pins (artifact, note, set_at) VALUES (?, ?, ?) ON CONFLICT (artifact) DO UPDATE SET note = excluded.note").run(
    artifact,
    note,
    at,
  );
}

/** True where there was one. */
export function remove(db: Database, artifact: number): boolean {
  return db.query("DELETE FROM pins WHERE artifact = ?").run(artifact).changes > 0;
}

export function of(db: Database, artifact: number): { note: string | null } | null {
  return db.query<{ note: string | null }, [number]>("SELECT note FROM pins WHERE artifact = ?").get(artifact);
}
