import * as v from "valibot";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import { DEFAULTS } from "./defaults.ts";
import { interpolate } from "./interpolate.ts";
import type { Env } from "./interpolate.ts";
import { problemOf } from "./leaf.ts";
import { configSchema } from "./schema.ts";
import { isSection, leaves } from "./sections.ts";

/** Something wrong with one key. `at` says what to point at: the key's own name, or what stands behind it. */
interface Problem {
  path: readonly string[];
  at: "key" | "value";
  message: string;
  hint: string;
}

/** What one source says: checked values by dotted key, only for the keys that it sets. */
export interface Layer {
  values: Map<string, unknown>;
  problems: Problem[];
}

/** Checks what a file holds. `foreign`: top-level keys that are not ours belong to someone else. */
export function readLayer(tree: unknown, options: { env: Env; foreign: boolean }): Layer {
  const problems: Problem[] = [];
  const given = leavesOf(tree, options.foreign, problems);
  for (const [key, value] of given) {
    try {
      given.set(key, interpolate(value, options.env));
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      problems.push({ path: key.split("."), at: "value", message: `${key} ${error.message}`, hint: error.hint ?? "" });
      given.delete(key);
    }
  }
  const checked = checkLeaves(given);
  return { values: checked.values, problems: [...problems, ...checked.problems] };
}

/** Checks values by dotted key against the schema. A null where none may stand means that the key is not set. */
export function checkLeaves(given: ReadonlyMap<string, unknown>): Layer {
  const result = v.safeParse(configSchema(), nested(given));
  const problems: Problem[] = [];
  for (const issue of result.issues ?? []) {
    const path = (v.getDotPath(issue) ?? "").split(".");
    const { message, hint } = problemOf(issue.message);
    problems.push({ path, at: "value", message: `${path.join(".")} ${message}`, hint });
  }
  const values = new Map<string, unknown>();
  if (result.success) {
    const output = leaves(result.output);
    for (const [key, raw] of given) {
      const value = output.get(key);
      if (raw !== null || value === null) values.set(key, value);
    }
  }
  return { values, problems };
}

/** The reverse of `leaves`. */
function nested(values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [key, value] of values) {
    const path = key.split(".");
    let node = tree;
    for (const part of path.slice(0, -1)) node = (node[part] ??= {}) as Record<string, unknown>;
    node[path.at(-1) as string] = value;
  }
  return tree;
}

function leavesOf(tree: unknown, foreign: boolean, problems: Problem[]): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const walk = (node: unknown, shape: object, path: readonly string[]): void => {
    if (node === null || node === undefined) return;
    if (!isSection(node)) {
      const name = path.length === 0 ? "the file" : path.join(".");
      problems.push({
        path,
        at: "value",
        message: `${name} must be a section of keys, not ${Array.isArray(node) ? "a list" : "a single value"}`,
        hint: "write one key: value a line, indented below it",
      });
      return;
    }
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      const own: unknown = Object.hasOwn(shape, key) ? (shape as Record<string, unknown>)[key] : undefined;
      const here = [...path, key];
      if (own === undefined) {
        if (!(foreign && path.length === 0)) problems.push(unknownKey(here, shape));
      } else if (here.length === 1 && key === "artifact_store" && typeof value === "string") found.set("artifact_store.root_path", value);
      else if (isSection(own)) walk(value, own, here);
      else found.set(here.join("."), value);
    }
  };
  walk(tree, DEFAULTS, []);
  return found;
}

function unknownKey(path: readonly string[], siblings: object): Problem {
  const key = path.at(-1) as string;
  const near = closest(key, Object.keys(siblings));
  const elsewhere = [...leaves(DEFAULTS).keys()].filter((known) => known.endsWith(`.${key}`));
  const hint = near
    ? `did you mean ${near}?`
    : elsewhere.length > 0
      ? `did you mean ${elsewhere.join(" or ")}?`
      : `here go: ${Object.keys(siblings).join(", ")}`;
  return { path, at: "key", message: `unknown key ${path.join(".")}`, hint };
}
