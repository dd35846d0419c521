import { Database } from "bun:sqlite";
import { MIGRATIONS } from "../open/migrations.ts";

/** What is wrong with the schema, undefined where nothing is: SQLite believes whatever stands there. For a database of our own version. */
export function schemaFault(db: Database): string | undefined {
  const ours = (expected ??= schemaOf(migrated()));
  const there = schemaOf(db);
  for (const [name, sql] of ours)
    if (there.get(name) !== sql) return there.has(name) ? `${name} is declared otherwise` : `${name} is not there`;
  const [strange] = [...there.keys()].filter((name) => !ours.has(name));
  return strange && `${strange} is none of ours`;
}

let expected: Map<string, string> | undefined;

function migrated(): Database {
  const db = new Database(":memory:");
  for (const migration of MIGRATIONS) db.run(migration);
  return db;
}

/** Comments, blanks and case say nothing. */
function schemaOf(db: Database): Map<string, string> {
  const rows = db
    .query("SELECT type || ' ' || name, tbl_name, ifnull(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    .values();
  return new Map(
    (rows as [string, string, string][]).map(([name, table, sql]) => [
      name.toLowerCase(),
      `${table} ${sql.replace(/--[^\n]*/g, "").replace(/\s+/g, " ")}`.toLowerCase(),
    ]),
  );
}
