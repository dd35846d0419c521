import type { ArtifactRow } from "../db/artifacts.ts";
import * as metrics from "../db/metrics.ts";
import * as params from "../db/params.ts";
import * as tags from "../db/tags.ts";
import { parseNumber } from "../domain/assignment.ts";
import { CofferError } from "../domain/error.ts";
import { parseBytes } from "../domain/quantity.ts";
import type { Store } from "../store/store.ts";

export type Value = string | number | undefined;
type Operator = "=" | "!=" | "<" | "<=" | ">" | ">=";

export interface Condition {
  /** `metrics.rmse`, `params.lr`, `tags.team`, or a plain field. */
  field: string;
  operator: Operator;
  value: string;
}

const PLAIN = {
  name: (row) => row.name ?? undefined,
  type: (row) => row.type,
  class: (row) => row.class ?? undefined,
  dataset: (row) => row.dataset ?? undefined,
  pipeline: (row) => row.pipeline ?? undefined,
  path: (row) => row.path,
  version: (row) => row.version,
  step: (row) => row.step ?? undefined,
  size: (row) => row.size,
  files: (row) => row.files,
  created: (row) => new Date(row.created_at).toISOString(),
} satisfies Record<string, (row: ArtifactRow) => Value>;

/**
 * Reads `metrics.rmse < 0.2`, `params.optimizer = adam`, `size > 10MB`, `created >= 2026-01-01`.
 * @throws CofferError VALUE_INVALID
 */
export function parseCondition(text: string): Condition {
  const found = /^\s*([A-Za-z_]+(?:\.[^\s<>=!]+)?)\s*(<=|>=|!=|==|=|<|>)\s*(?![<>=!])(.+?)\s*$/.exec(text);
  const field = found?.[1] ?? "";
  if (!found || !(Object.hasOwn(PLAIN, field) || /^(metrics|params|tags)\./.test(field)))
    throw new CofferError("VALUE_INVALID", `not a condition: “${text}”`, {
      hint: `write FIELD OPERATOR VALUE, such as 'metrics.rmse < 0.2'; fields: metrics.KEY, params.KEY, tags.KEY, ${Object.keys(PLAIN).join(", ")}`,
    });
  const operator = (found[2] === "==" ? "=" : found[2]) as Operator;
  const value = (found[3] as string).replace(/^(["'])(.*)\1$/, "$2");
  const condition = { field, operator, value: field === "size" ? String(parseBytes(value)) : value };
  const again = { hint: "one --where holds one condition: repeat --where for another, all must hold" };
  if (value === found[3] && /\s(?:and|or|&&|\|\|)\s/i.test(value))
    throw new CofferError("VALUE_INVALID", `not one condition: “${text}”`, again);
  if (/^(?:metrics\.|version$|step$|size$|files$)/.test(field) && parseNumber(condition.value) === undefined)
    throw new CofferError("VALUE_INVALID", `“${field}” is compared with a number, not with “${value}”`, again);
  return condition;
}

/** What an artifact has for a field, to sort by. @throws CofferError VALUE_INVALID for a field that there is not */
export function fieldOf(store: Store, row: ArtifactRow, field: string): Value {
  parseCondition(`${field} = 0`);
  return valueOf(store, row, field);
}

/** Whether an artifact meets all conditions. A field that it does not have meets none. Its own metrics, params and tags come before its run's. */
export function meets(store: Store, row: ArtifactRow, conditions: readonly Condition[]): boolean {
  return conditions.every(({ field, operator, value }) => compare(valueOf(store, row, field), operator, value));
}

function valueOf(store: Store, row: ArtifactRow, field: string): Value {
  if (Object.hasOwn(PLAIN, field)) return (PLAIN[field as keyof typeof PLAIN] as (row: ArtifactRow) => Value)(row);
  const cut = field.indexOf(".");
  const key = field.slice(cut + 1);
  switch (field.slice(0, cut)) {
    case "metrics":
      return own(row.metrics, key) ?? metrics.latest(store.db, row.run).find((point) => point.key === key)?.value;
    case "params":
      return own(row.params, key) ?? params.ofRun(store.db, row.run)[key];
    default:
      return tags.of(store.db, "artifact", row.seq)[key] ?? tags.of(store.db, "run", row.run)[key];
  }
}

function own(json: string, key: string): Value {
  const value = (JSON.parse(json) as Record<string, unknown>)[key];
  return typeof value === "number" || typeof value === "string" ? value : undefined;
}

/** Numbers compare as numbers where both sides are; otherwise as text. */
function compare(left: Value, operator: Operator, right: string): boolean {
  if (left === undefined) return false;
  const [a, b] = [typeof left === "number" ? left : parseNumber(left), parseNumber(right)];
  const [x, y] = a !== undefined && b !== undefined ? [a, b] : [String(left), right];
  switch (operator) {
    case "=":
      return x === y;
    case "!=":
      return x !== y;
    case "<":
      return x < y;
    case "<=":
      return x <= y;
    case ">":
      return x > y;
    case ">=":
      return x >= y;
  }
}
