/**
 * What may go into a body. MLflow ends the reading of a request at the first value that it does not like, and answers 200: everything behind
 * it is lost. So each value is checked here, before anything is sent.
 */
import { CofferError } from "../../domain/error.ts";
import { remoteKey } from "./remote-key.ts";

export interface Metric {
  key: string;
  /** NaN and the infinities too. */
  value: number;
  /** Milliseconds since 1970. */
  timestamp: number;
  step: number;
}

export interface Param {
  key: string;
  value: string;
}

export interface Tag {
  key: string;
  value: string;
}

/** A difference between what was given and what MLflow gets, to be said. */
export interface Change {
  kind: "metric" | "param" | "tag";
  key: string;
  /** `renamed`: the key; `cut`: the value was too long; `cleaned`: it had NUL or half a surrogate pair; `merged`: its new key is another one's, too. */
  what: "renamed" | "cut" | "cleaned" | "merged";
  /** The new key, or the number of characters that are left. */
  to: string | number;
}

/** A metric as JSON takes it. */
export interface WireMetric {
  key: string;
  value: number | "NaN" | "Infinity" | "-Infinity";
  timestamp: number;
  step: number;
}

export interface Prepared<T> {
  value: T;
  changes: Change[];
}

/** Longer values are cut by the server without a word. In characters. */
const MAX_PARAM_VALUE = 6000;
const MAX_TAG_VALUE = 8000;

/** `name`: what `remoteKey` said of its key, where that is known. @throws CofferError VALUE_INVALID */
export function prepareMetric({ key, value, timestamp, step }: Metric, name = remoteKey(key)): Prepared<WireMetric> {
  if (typeof value !== "number") throw invalid("metric", key, "the value is no number", "give a number, NaN or an infinity");
  if (!Number.isSafeInteger(timestamp) || timestamp < 0)
    throw invalid("metric", key, `its time is ${timestamp}`, "give whole milliseconds since 1970");
  if (!Number.isSafeInteger(step)) throw invalid("metric", key, `its step is ${step}`, "give a whole number");
  // a bare NaN is no JSON: MLflow would store 0 and drop the rest of the body; in quotes it is understood
  const wire = Number.isFinite(value) ? value : (String(value) as "NaN" | "Infinity" | "-Infinity");
  return { value: { key: name.key, value: wire, timestamp, step }, changes: renamed("metric", key, name) };
}

/** @throws CofferError VALUE_INVALID */
export function prepareParam(param: Param): Prepared<Param> {
  return preparePair("param", param, MAX_PARAM_VALUE);
}

/** @throws CofferError VALUE_INVALID */
export function prepareTag(tag: Tag): Prepared<Tag> {
  return preparePair("tag", tag, MAX_TAG_VALUE);
}

/** At most `characters` of a text, without NUL and halves of surrogate pairs, which databases refuse. */
export function cleanText(text: string, characters: number): string {
  const clean = text.toWellFormed().replaceAll("\0", "\uFFFD");
  return clean.length > characters ? [...clean].slice(0, characters).join("") : clean;
}

function preparePair(kind: "param" | "tag", { key, value }: Param, limit: number): Prepared<Param> {
  if (typeof value !== "string") throw invalid(kind, key, "the value is no text", "give text");
  const name = remoteKey(key);
  const changes = renamed(kind, key, name);
  const clean = cleanText(value, Infinity);
  const short = cleanText(clean, limit);
  if (clean !== value) changes.push({ kind, key, what: "cleaned", to: [...short].length });
  if (short !== clean) changes.push({ kind, key, what: "cut", to: limit });
  return { value: { key: name.key, value: short }, changes };
}

function renamed(kind: Change["kind"], key: string, name: { key: string; changed: boolean }): Change[] {
  return name.changed ? [{ kind, key, what: "renamed", to: name.key }] : [];
}

function invalid(kind: Change["kind"], key: string, why: string, hint: string): CofferError {
  return new CofferError("VALUE_INVALID", `${kind} “${key}”: ${why}`, { hint });
}
