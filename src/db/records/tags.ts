import type { Database } from "bun:sqlite";

const TABLE = { run: ["tags", "run"], artifact: ["artifact_tags", "artifact"] } as const;
type Owner = keyof typeof TABLE;

/** Sets tags of a run or an artifact; the last value of a key counts. */
export function set(db: Database, owner: Owner, seq: number, tags: Iterable<readonly [key: string, value: string]>): void {
  const [table, column] = TABLE[owner];
  const statement = db.query(
    `INSERT INTO ${table} (${column}, key, value) VALUES (?, ?, ?) ON CONFLICT (${column}, key) DO UPDATE SET value = excluded.value`,
  );
  for (const [key, value] of tags) statement.run(seq, key, value);
}

/** True where there was such a tag. */
export function remove(db: Database, owner: Owner, seq: number, key: string): boolean {
  const [table, column] = TABLE[owner];
  return db.query(`DELETE FROM ${table} WHERE ${column} = ? AND key = ?`).run(seq, key).changes > 0;
}

export function of(db: Database, owner: Owner, seq: number): Record<string, string> {
  const [table, column] = TABLE[owner];
  return Object.fromEntries(
    db
      .query<{ key: string; value: string }, [number]>(`SELECT key, value FROM ${table} WHERE ${column} = ? ORDER BY key`)
      .all(seq)
      .map((row) => [row.key, row.value]),
  );
}
