import { parseNumber } from "../../domain/assignment.ts";
import { numberOf, ONCE } from "../open/number-in-sql.ts";

export type Operator = "=" | "!=" | "<" | "<=" | ">" | ">=";

export interface Condition {
  /** `metrics.KEY`, `params.KEY`, `tags.KEY` or one of the plain fields of what is looked for. */
  field: string;
  operator: Operator;
  value: string;
}

export interface Sort {
  field: string;
  descending: boolean;
}

/** What can be compared and sorted by, as SQL. */
export interface Fields {
  /** Of the row itself; NULL where it does not have one. */
  plain: Readonly<Record<string, { sql: string; always?: "number" | "text" }>>;
  /** Of a key that somebody chose; `key` is SQL, too. */
  keyed(table: "metrics" | "params" | "tags", key: string): string;
}

/** Adds a parameter, and returns its place. */
export type Bind = (value: string | number) => string;

/** Two numbers compare as numbers, whichever way they are spelled; anything else as text, byte by byte. What is not there meets nothing. */
export function meets(fields: Fields, { field, operator, value }: Condition, bind: Bind): string {
  const test = operator === "!=" ? "<>" : operator;
  const x = valueOf(fields, field, bind);
  const number = parseNumber(value);
  const plain = plainOf(fields, field);
  // bare, so that an index serves
  if (number === undefined || plain?.always === "text") return `${plain ? x : `CAST(${x} AS TEXT)`} ${test} ${bind(value)}`;
  // `all` is no number, but it is another fold than each number
  if (field === "fold" && test !== "=" && test !== "<>") return `a.fold ${test} ${bind(number)}`;
  // SQLite has no NaN: it is unequal to everything, and nothing else
  const unequal = test === "<>" ? 1 : 0;
  const compared = (it: string): string => (Number.isNaN(number) ? String(unequal) : `${it} ${test} ${bind(number)}`);
  if (plain?.always === "number") return `(${x} IS NOT NULL AND ${compared(x)})`;
  return `(SELECT CASE WHEN typeof(x) IN ('integer', 'real') THEN ${compared("x")} WHEN x IS NULL THEN 0 WHEN n IS NULL THEN x ${test} ${bind(value)}
     WHEN n = 'NaN' THEN ${unequal} ELSE ${compared("n")} END FROM (SELECT x, CASE WHEN typeof(x) = 'text' THEN ${numberOf("x")} END AS n FROM (SELECT ${x} AS x ${ONCE}) ${ONCE}))`;
}

/** What rows `a` of FROM are sorted by: a query of (ranked, x, place, number, text), and the order of that. */
export function ranking(fields: Fields, { field, descending }: Sort, from: string, bind: Bind): { ranks: string; order: string } {
  const direction = descending ? "DESC" : "ASC";
  const x = valueOf(fields, field, bind);
  const isPlain = plainOf(fields, field) !== undefined;
  const numeric = isPlain ? "x" : `CASE WHEN typeof(x) = 'text' THEN ${numberOf("x")} ELSE x END`;
  return {
    ranks: `SELECT ranked, x, ${rank(isPlain)} FROM (SELECT ranked, x, ${numeric} AS n FROM (SELECT a.seq AS ranked, ${x} AS x FROM ${from} ${ONCE}) ${ONCE})`,
    order: `place, number ${direction}, text ${direction}, ranked DESC`,
  };
}

/** Columns `place` (what has nothing there comes last), `number` and `text` of a value `x`. */
function rank(isPlain: boolean): string {
  if (isPlain) return "x IS NULL AS place, x AS number, NULL AS text";
  return `CASE WHEN x IS NULL OR n IS 'NaN' THEN 2 ELSE n IS NULL END AS place, nullif(n, 'NaN') AS number, iif(n IS NULL, x, NULL) AS text`;
}

function valueOf(fields: Fields, field: string, bind: Bind): string {
  const plain = plainOf(fields, field);
  if (plain) return plain.sql;
  const cut = field.indexOf(".");
  return fields.keyed(field.slice(0, cut) as "metrics" | "params" | "tags", bind(field.slice(cut + 1)));
}

function plainOf({ plain }: Fields, field: string): Fields["plain"][string] | undefined {
  return Object.hasOwn(plain, field) ? plain[field] : undefined;
}

/** What a run says of a key; `run` is SQL for its seq. SQLite has no NaN: it is the text. */
export function ofRun(table: "metrics" | "params" | "tags", run: string, key: string): string {
  return table === "metrics"
    ? `(SELECT ifnull(value, 'NaN') FROM metric_points WHERE run = ${run} AND key = ${key} ORDER BY step DESC, time DESC, seq DESC LIMIT 1)`
    : `(SELECT value FROM ${table} WHERE run = ${run} AND key = ${key})`;
}
