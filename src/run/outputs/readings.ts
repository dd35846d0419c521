import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errno, reason } from "../../domain/error.ts";
import { parseYaml } from "../../domain/parse-yaml.ts";
import { parsePythonJson } from "../../domain/python-json.ts";
import { countOf } from "../../domain/quantity.ts";
import { hidesValue, REDACTED } from "../../domain/redact.ts";

export interface Point {
  key: string;
  /** NaN and the infinities too. */
  value: number;
  step: number;
  /** Milliseconds since 1970. */
  time: number;
}

export interface Readings {
  params: Map<string, string>;
  metrics: Point[];
  /** What was left out or could not be read, one sentence each. */
  skipped: string[];
}

interface Sources {
  workspace: string;
  /** Named by the user, instead of the workspace's `params.json`, `params.yaml`, `params.yml`. */
  paramFiles?: readonly string[];
  /** Named by the user, instead of the workspace's `metrics.json`. */
  metricFiles?: readonly string[];
}

const MAX_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 32;
const MAX_ENTRIES = 200_000;
/** Of keys, joined: MLflow keeps 250 characters. */
const MAX_KEY = 1000;
/** Of what is nested too deeply, by name. */
const SAID = 20;

/**
 * Reads params and metrics that a run left. Nested keys are joined by `.`, lists are indexed. A metric is a number, and a list of numbers is its history
 * (steps 0, 1, …); its time is that of the file. A broken file is a sentence in `skipped`, never an error: it may not cost the run.
 */
export function readReadings({ workspace, paramFiles = [], metricFiles = [] }: Sources): Readings {
  const readings: Readings = { params: new Map(), metrics: [], skipped: [] };
  const inWorkspace = (...names: string[]): Source[] => names.map((name) => ({ path: join(workspace, name), name, required: false }));
  const named = (paths: readonly string[]): Source[] => paths.map((path) => ({ path, name: path, required: true }));
  for (const source of paramFiles.length > 0 ? named(paramFiles) : inWorkspace("params.json", "params.yaml", "params.yml"))
    readParams(source, readings);
  for (const source of metricFiles.length > 0 ? named(metricFiles) : inWorkspace("metrics.json")) readMetrics(source, readings);
  return readings;
}

/** The metrics of one file that somebody names, by the same rules. */
export function readMetricsFile(path: string): Pick<Readings, "metrics" | "skipped"> {
  const readings: Readings = { params: new Map(), metrics: [], skipped: [] };
  readMetrics({ path, name: path, required: true }, readings);
  return readings;
}

interface Source {
  path: string;
  name: string;
  required: boolean;
}

function readParams(source: Source, { params, skipped }: Readings): void {
  const parsed = parse(source, skipped, source.path.endsWith(".json") ? parseWithNumberTexts : parseYaml);
  if (!parsed) return;
  flatten(parsed.value, source.name, skipped, (key, value) => {
    if (params.has(key)) skipped.push(`${source.name}: the parameter ${key} is there twice; the first one counts`);
    else if (hidesValue(key) && value !== null && value !== "") params.set(key, REDACTED);
    else params.set(key, typeof value === "object" ? JSON.stringify(value) : String(value));
  });
}

function readMetrics(source: Source, { metrics, skipped }: Readings): void {
  const yaml = /\.ya?ml$/.test(source.path);
  const parsed = parse(source, skipped, yaml ? parseYaml : parsePythonJson);
  if (!parsed) return;
  const time = parsed.time;
  const seen = new Set<string>();
  const add = (key: string, values: readonly unknown[]): void => {
    if (seen.has(key)) return void skipped.push(`${source.name}: the metric ${key} is there twice; the first one counts`);
    seen.add(key);
    for (const [step, value] of values.entries()) if (typeof value === "number") metrics.push({ key, value, step, time });
  };
  flatten(
    parsed.value,
    source.name,
    skipped,
    (key, value) => {
      if (typeof value === "number") add(key, [value]);
      else if (typeof value !== "object") skipped.push(`${source.name}: ${key} is no metric: ${JSON.stringify(value)} is not a number`);
      else if (value === null) skipped.push(`${source.name}: ${key} is no metric: it is null`);
    },
    (key, list) => {
      // null stands for a step without a value
      const isHistory =
        list.some((value) => typeof value === "number") && list.every((value) => typeof value === "number" || value === null);
      if (isHistory) add(key, list);
      return isHistory;
    },
  );
}

/** undefined where there is nothing to read. */
function parse(source: Source, skipped: string[], parser: (text: string) => unknown): { value: unknown; time: number } | undefined {
  let fd: number;
  try {
    // a FIFO of that name would block for ever; a link in the workspace may lead out of it
    fd = openSync(source.path, constants.O_RDONLY | constants.O_NONBLOCK | (source.required ? 0 : constants.O_NOFOLLOW));
  } catch (error) {
    if (source.required || errno(error) !== "ENOENT")
      skipped.push(`${source.name} was not read: ${errno(error) === "ELOOP" ? "it is a link" : reason(error)}`);
    return undefined;
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error("it is not a file");
    if (stat.size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES / 1024 / 1024} MiB`);
    const text = readFileSync(fd, "utf8").replace(/^\uFEFF/, "");
    if (text.trim() === "") return undefined;
    return { value: parser(text), time: Math.floor(stat.mtimeMs) };
  } catch (error) {
    skipped.push(`${source.name} was not read: ${reason(error)}`);
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Numbers as they were written: `1.0` and `1e-05` are what a person looks for, and long integers keep their digits. */
function parseWithNumberTexts(text: string): unknown {
  const reviver = (_: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === "number" ? (context?.source ?? value) : value;
  try {
    return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
  } catch {
    return parsePythonJson(text);
  }
}

/** Visits the leaves: what is no object or list, and what is an empty one. `takesList` may take a whole list. */
function flatten(
  root: unknown,
  name: string,
  skipped: string[],
  leaf: (key: string, value: unknown) => void,
  takesList: (key: string, list: unknown[]) => boolean = () => false,
): void {
  let left = MAX_ENTRIES;
  const lost = { unread: false, tooLong: 0, tooDeep: 0 };
  const visit = (value: unknown, key: string, depth: number): void => {
    if (left <= 0) return void (lost.unread = true);
    if (key.length > MAX_KEY) return void lost.tooLong++;
    // by its aliases a map may hold itself, twice: each look at one counts
    if (key !== "") left--;
    const isNested = value !== null && typeof value === "object";
    if (isNested && depth === MAX_DEPTH) {
      if (lost.tooDeep++ < SAID) skipped.push(`${name}: ${key.slice(0, 200)} is nested deeper than ${MAX_DEPTH} levels`);
      return;
    }
    if (Array.isArray(value) && key !== "" && takesList(key, value.slice(0, left + 1))) {
      if (value.length > left + 1) lost.unread = true;
      left -= value.length - 1;
      return;
    }
    const entries = isNested ? Object.entries(value) : [];
    if (entries.length === 0) return leaf(key, value);
    for (const [part, inner] of entries) visit(inner, key === "" ? part : `${key}.${part}`, depth + 1);
  };
  if (root === null || typeof root !== "object") return void skipped.push(`${name} was not read: it holds no names`);
  if (Object.keys(root).length > 0) visit(root, "", 0);
  if (lost.tooDeep > SAID) skipped.push(`${name}: ${lost.tooDeep - SAID} more are nested deeper than ${MAX_DEPTH} levels`);
  if (lost.tooLong > 0) skipped.push(`${name}: ${countOf(lost.tooLong, "key has", "keys have")} more than ${MAX_KEY} characters`);
  if (lost.unread) skipped.push(`${name}: only the first ${MAX_ENTRIES} values were read`);
}
