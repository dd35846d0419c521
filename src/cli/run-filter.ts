import type { RunFilter } from "../db/records/runs.ts";
import { CofferError } from "../domain/error.ts";
import { parseMoment } from "../domain/moment.ts";
import { parseDuration } from "../domain/quantity.ts";
import type { RunState } from "../domain/run-state.ts";
import type { Values } from "./command.ts";
import { parseTagFilter } from "./tag-filter.ts";

/** The flags that choose runs, wherever runs are chosen. */
export const RUN_FILTER_FLAGS = {
  state: { type: "string", options: ["running", "finished", "failed", "killed"], description: "only runs that stand so" },
  pipeline: { type: "string", valueHint: "ID", description: "only this pipeline" },
  dataset: { type: "string", valueHint: "NAME", description: "only this dataset" },
  tag: { type: "string", valueHint: "KEY[=VALUE]", multiple: true, description: "only with this tag; all must hold" },
  since: {
    type: "string",
    valueHint: "WHEN",
    description: "only runs that began then or later: 2h, 7d, or a date such as 2026-09-01 (UTC)",
  },
} as const;

/** @throws CofferError VALUE_INVALID */
export function runFilter(flags: Values<typeof RUN_FILTER_FLAGS>, now: number): RunFilter {
  return {
    ...(flags.state !== undefined && { state: flags.state as RunState }),
    ...(flags.pipeline !== undefined && { pipeline: flags.pipeline }),
    ...(flags.dataset !== undefined && { dataset: flags.dataset }),
    ...(flags.tag.length > 0 && { tags: flags.tag.map(parseTagFilter) }),
    ...(flags.since !== undefined && { since: parseSince(flags.since, now) }),
  };
}

function parseSince(text: string, now: number): number {
  // a bare number is a year
  if (/[a-z]$/.test(text.trim()))
    try {
      return now - parseDuration(text);
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
    }
  const moment = parseMoment(text);
  if (moment !== undefined) return moment;
  throw new CofferError("VALUE_INVALID", `--since ${text}: neither a date nor a duration`, {
    hint: "write 2h, 7d, 2026-09-01 or 2026-09-01T12:30; without a zone it is UTC",
  });
}
