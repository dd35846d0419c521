import type { Database } from "bun:sqlite";
import { MIGRATIONS } from "../open/migrations.ts";
import * as integrity from "./integrity.ts";
import { schemaFault } from "./schema-fault.ts";

/**
 * What is wrong with a database whose pages are as SQLite wants them: a schema that is not ours, rows that name rows that are not there, and rows that contradict one
 * another. Of an older version nothing is known but the second.
 */
export function rowFaults(db: Database): string[] {
  const dangling = integrity.danglingRows(db).map(({ table, rowid }) => `row ${rowid} of ${table} names a row that is not there`);
  const { user_version: version } = db.query("PRAGMA user_version").get() as { user_version: number };
  if (version !== MIGRATIONS.length) return dangling;
  const schema = schemaFault(db);
  // nothing can be asked of tables that are others
  if (schema !== undefined) return [`its schema is damaged: ${schema}`, ...dangling];
  return [
    ...dangling,
    ...integrity.contradictions(db).map(({ id, digest }) => `${id} is said to be ${digest}, and its bytes to be others`),
    ...integrity.lostNumbers(db).map((name) => `the last version of ${name} is not known`),
  ];
}
