import { ARTIFACT_FIELDS } from "../db/records/artifact-search.ts";
import type { Condition, Fields, Operator, Sort } from "../db/records/conditions.ts";
import { parseNumber } from "../domain/assignment.ts";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import { parseMoment } from "../domain/moment.ts";
import { parseBytes } from "../domain/quantity.ts";

const KEYED = ["metrics", "params", "tags"];

function listed(fields: Fields): string {
  return [...KEYED.map((table) => `${table}.KEY`), ...Object.keys(fields.plain)].join(", ");
}

/** `did you mean metrics.accuracy? `, where a field is nearly one. */
function nearly(field: string, { plain }: Fields): string {
  const cut = field.indexOf(".");
  const near = cut === -1 ? closest(field, Object.keys(plain)) : closest(field.slice(0, cut), KEYED);
  return near === undefined ? "" : `did you mean ${near}${cut === -1 ? "" : field.slice(cut)}? `;
}

/**
 * Reads `metrics.rmse < 0.2`, `params.optimizer = adam`, `size > 10MB`, `created >= 2026-01-01`.
 * @throws CofferError VALUE_INVALID
 */
export function parseCondition(text: string, fields: Fields = ARTIFACT_FIELDS): Condition {
  const found = /^([A-Za-z_]+(?:\.[^\s<>=!]+)?)\s*(<=|>=|!=|==|=|<|>)\s*(?![\s<>=!])(.+)$/s.exec(text.trim());
  const field = found?.[1] ?? "";
  if (!found || !isField(field, fields))
    throw new CofferError("VALUE_INVALID", `not a condition: “${text}”`, {
      hint: `${nearly(field, fields)}write FIELD OPERATOR VALUE, such as 'metrics.rmse < 0.2'; fields: ${listed(fields)}`,
    });
  const operator = (found[2] === "==" ? "=" : found[2]) as Operator;
  const value = (found[3] as string).replace(/^(["'])(.*)\1$/s, "$2");
  const condition = {
    field,
    operator,
    value: field === "size" ? String(parseBytes(value)) : field === "created" || field === "started" ? isoOf(field, value) : value,
  };
  const again = { hint: "one --where holds one condition: repeat --where for another, all must hold" };
  if (value === found[3] && /\s(?:and|or|&&|\|\|)\s/i.test(value))
    throw new CofferError("VALUE_INVALID", `not one condition: “${text}”`, again);
  const isOrder = operator !== "=" && operator !== "!=";
  const wantsNumber =
    field.startsWith("metrics.") || fields.plain[field]?.always === "number" || (field === "fold" && (isOrder || value !== "all"));
  if (wantsNumber && parseNumber(condition.value) === undefined)
    throw new CofferError("VALUE_INVALID", `“${field}” is compared with a number, not with “${value}”`, again);
  return condition;
}

/** As times are compared in the database: always of one length. */
function isoOf(field: string, value: string): string {
  const moment = parseMoment(value);
  if (moment === undefined)
    throw new CofferError("VALUE_INVALID", `“${field}” is compared with a date, not with “${value}”`, {
      hint: "write 2026-09-01, or 2026-09-01T12:30 with seconds and a zone (Z, +02:00) where they matter; without a zone it is UTC",
    });
  return new Date(moment).toISOString();
}

/**
 * Reads `metrics.rmse` or `metrics.accuracy:desc`.
 * @throws CofferError VALUE_INVALID
 */
export function parseSort(text: string, fields: Fields = ARTIFACT_FIELDS): Sort {
  const [, field = "", order] = /^(.*?)(?::(asc|desc))?$/i.exec(text) ?? [];
  if (!isField(field, fields) || /\s/.test(field))
    throw new CofferError("VALUE_INVALID", `there is no field “${field}” to sort by`, {
      hint: `${nearly(field, fields)}fields: ${listed(fields)}`,
    });
  return { field, descending: order?.toLowerCase() === "desc" };
}

function isField(text: string, { plain }: Fields): boolean {
  return Object.hasOwn(plain, text) || /^(?:metrics|params|tags)\../.test(text);
}
