import * as v from "valibot";
import type { MetricPoint } from "../../db/records/metrics.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { checkArtifactType } from "../../domain/artifact-type.ts";
import { checkKey, parseNumber } from "../../domain/assignment.ts";
import { CofferError, reason } from "../../domain/error.ts";
import { checkArtifactName } from "../../domain/names.ts";
import { parsePythonJson } from "../../domain/python-json.ts";
import { log } from "../../registry/log.ts";
import type { Logged, LogRequest } from "../../registry/log.ts";
import type { LoggedPath } from "../../registry/logged-path.ts";
import type { Store } from "../../store/store.ts";
import type { Problem } from "../../store/ingest/walk.ts";

const Scalar = v.union([v.string(), v.number(), v.boolean()]);
const Line = v.union([
  v.strictObject({
    metric: v.string(),
    value: v.custom<number | string>((value) => typeof value === "number" || typeof value === "string"),
    step: v.optional(v.pipe(v.number(), v.safeInteger())),
    time: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  }),
  v.strictObject({ param: v.string(), value: Scalar }),
  v.strictObject({ tag: v.string(), value: Scalar }),
  v.strictObject({ artifact: v.string(), as: v.optional(v.string()), name: v.optional(v.string()), type: v.optional(v.string()) }),
]);

const BATCH = 1000;
const BATCH_MS = 500;

export interface LineReader {
  now: () => number;
  refuse: (line: number, why: string) => void;
  /** What becomes of an artifact that a line names. */
  pathOf: (source: string, as: string | undefined) => LoggedPath | Problem;
  /** An artifact is kept. */
  logged: (one: Logged) => void;
}

/**
 * Takes JSON Lines into a run: points, params and tags in batches of one transaction (a thousand lines or half a second), artifacts one by one.
 * A line that cannot be taken is refused by its number; all others stand.
 */
export async function readLogLines(
  store: Store,
  lines: AsyncIterable<string>,
  base: LogRequest,
  { now, refuse, pathOf, logged }: LineReader,
): Promise<{ taken: number; refused: number; run: RunRow | undefined }> {
  let run = base.run;
  let taken = 0;
  let refused = 0;
  let number = 0;
  let waiting = newBatch();
  const flush = async (): Promise<void> => {
    const { metrics, params, tags } = waiting;
    if (sizeOf(waiting) > 0) ({ run } = await log(store, { ...base, run, paths: [], metrics, params, tags }));
    waiting = newBatch();
  };
  const source = lines[Symbol.asyncIterator]();
  const ask = (): ReturnType<typeof source.next> => {
    const next = source.next();
    next.catch(() => undefined); // it is awaited later
    return next;
  };
  let coming = ask();
  for (;;) {
    // a slow loop's line does not wait for the next one
    const next = await (sizeOf(waiting) > 0 ? orLate(coming, waiting.due - performance.now()) : coming).catch(async (error: unknown) => {
      // what came before the line that has no end, or the pipe that broke, stands
      await flush();
      throw error;
    });
    if (next === "late") {
      await flush();
      continue;
    }
    if (next.done) break;
    coming = ask();
    const text = next.value;
    number++;
    if (text.trim() === "") continue;
    try {
      const line = parseLine(text);
      if ("artifact" in line) {
        await flush();
        const { artifact, as, name, type } = line;
        const said = {
          ...base.particulars,
          ...(name !== undefined && { name: checkArtifactName(name) }),
          ...(type !== undefined && { type: checkArtifactType(type) }),
        };
        const path = pathOf(artifact, as);
        const given = "why" in path ? { paths: [], skipped: [path] } : { paths: [path] };
        const kept = await log(store, { ...base, run, ...given, particulars: said, metrics: [], params: [], tags: [] });
        ({ run } = kept);
        logged(kept);
      } else if ("metric" in line)
        waiting.metrics.push({
          key: checkKey("metric", line.metric),
          value: measured(line.value),
          step: line.step ?? 0,
          time: line.time ?? now(),
        });
      else if ("param" in line) waiting.params.push([checkKey("param", line.param), String(line.value)]);
      else waiting.tags.push([checkKey("tag", line.tag), String(line.value)]);
      taken++;
    } catch (error) {
      // a file that cannot be read is its line's own trouble
      if (error instanceof CofferError && /^(STORE_|CORRUPT)/.test(error.code)) throw error;
      refused++;
      refuse(number, reason(error));
    }
    if (sizeOf(waiting) >= BATCH || performance.now() > waiting.due) await flush();
  }
  await flush();
  return { taken, refused, run };
}

interface Batch {
  metrics: MetricPoint[];
  params: [string, string][];
  tags: [string, string][];
  /** When it is to be written at the latest. */
  due: number;
}

function newBatch(): Batch {
  return { metrics: [], params: [], tags: [], due: performance.now() + BATCH_MS };
}

function sizeOf({ metrics, params, tags }: Batch): number {
  return metrics.length + params.length + tags.length;
}

async function orLate<T>(promise: Promise<T>, milliseconds: number): Promise<T | "late"> {
  let timer: Timer | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), Math.max(0, milliseconds));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function parseLine(text: string): v.InferOutput<typeof Line> {
  let value: unknown;
  try {
    value = parsePythonJson(text);
  } catch {
    throw new CofferError("VALUE_INVALID", "it is not JSON");
  }
  const result = v.safeParse(Line, value);
  if (!result.success)
    throw new CofferError("VALUE_INVALID", "it is none of metric, param, tag, artifact with the right keys (see coffer log --help)");
  return result.output;
}

function measured(value: number | string): number {
  const parsed = typeof value === "number" ? value : parseNumber(value);
  if (parsed === undefined) throw new CofferError("VALUE_INVALID", `“${value}” is not a number`);
  return parsed;
}
