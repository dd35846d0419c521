import type { Database } from "bun:sqlite";

/** Points an alias of a name at one version; moves it where it points elsewhere. */
export function set(db: Database, name: string, alias: string, artifact: number, at: number): void {
  db.query(
    "INSERT INTO aliases (name, alias, artifact, set_at) VALUES (?, ?, ?, ?) ON CONFLICT (name, alias) DO UPDATE SET artifact = excluded.artifact, set_at = excluded.set_at",
  ).run(name, alias, artifact, at);
}

/** True where there was one. */
export function remove(db: Database, name: string, alias: string): boolean {
  return db.query("DELETE FROM aliases WHERE name = ? AND alias = ?").run(name, alias).changes > 0;
}

export function target(db: Database, name: string, alias: string): number | undefined {
  return db.query<{ artifact: number }, [string, string]>("SELECT artifact FROM aliases WHERE name = ? AND alias = ?").get(name, alias)
    ?.artifact;
}

export function ofArtifact(db: Database, artifact: number): string[] {
  return db
    .query<{ alias: string }, [number]>("SELECT alias FROM aliases WHERE artifact = ? ORDER BY alias")
    .all(artifact)
    .map((row) => row.alias);
}
