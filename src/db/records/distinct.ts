import type { Database } from "bun:sqlite";

/**
 * The values of an indexed column in their order, each once, without NULL: from one to the next by the index, since DISTINCT would read all of a million entries.
 * `within`: what else must hold, of columns that come first in the index; `values` are its parameters.
 */
export function distinct<T extends string | number>(
  db: Database,
  { table, column, within = "1", values = [] }: { table: string; column: string; within?: string; values?: readonly (string | number)[] },
  limit: number,
): T[] {
  return (
    db
      .query(
        `WITH RECURSIVE known (value) AS (
           SELECT min(${column}) FROM ${table} WHERE ${column} IS NOT NULL AND ${within}
           UNION ALL SELECT (SELECT min(${column}) FROM ${table} WHERE ${column} > known.value AND ${within}) FROM known WHERE value IS NOT NULL
         ) SELECT value FROM known WHERE value IS NOT NULL LIMIT ${limit}`,
      )
      .values(...values) as [T][]
  ).map(([value]) => value);
}
