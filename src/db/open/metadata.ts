import type { Database } from "bun:sqlite";

/** Facts about the store itself: its id, its counters. */
export function get(db: Database, key: string): string | undefined {
  return db.query<{ value: string }, [string]>("SELECT value FROM store WHERE key = ?").get(key)?.value;
}

export function set(db: Database, key: string, value: string): void {
  db.query("INSERT INTO store (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value").run(key, value);
}

export function remove(db: Database, key: string): void {
  db.query("DELETE FROM store WHERE key = ?").run(key);
}

/** Adds to a counter; it begins at 0. */
export function count(db: Database, key: string, by: number): void {
  db.query("INSERT INTO store (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + ?2").run(
    key,
    by,
  );
}
