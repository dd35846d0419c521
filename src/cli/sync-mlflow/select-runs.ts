import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import { knownExperiments } from "../../db/delivery/waiting-servers.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import { resolveRun } from "../../registry/resolve.ts";
import type { Store } from "../../store/store.ts";
import type { RunSelection } from "../../sync/sync.ts";
import type { Values } from "../command.ts";
import { hintAtNames } from "../hint-at-names.ts";
import type { Io } from "../io.ts";
import { RUN_FILTER_FLAGS, runFilter } from "../run-filter.ts";

export const SELECT_FLAGS = {
  ...RUN_FILTER_FLAGS,
  experiment: { type: "string", valueHint: "NAME", description: "only runs that go to this experiment" },
} as const;

/**
 * The runs that are named and that every filter lets through; undefined where nobody named or filtered any: all runs.
 * @throws CofferError NOT_FOUND, AMBIGUOUS, VALUE_INVALID
 */
export function selectRuns(
  store: Store,
  refs: readonly string[],
  flags: Values<typeof SELECT_FLAGS>,
  now: number,
): RunSelection | undefined {
  const filter = runFilter(flags, now);
  const { experiment } = flags;
  if (refs.length === 0 && experiment === undefined && Object.keys(filter).length === 0) return undefined;
  const named = refs.length === 0 ? undefined : new Set(refs.map((ref) => resolveRun(store, ref).seq));
  return {
    has: (seq) =>
      (named?.has(seq) ?? true) &&
      runs.isAmong(store.db, filter, seq) &&
      (experiment === undefined || experimentOf(store, seq) === experiment),
  };
}

/** A run that this server was not told of yet goes where the configuration says. */
function experimentOf(store: Store, run: number): string {
  const { uri, experiment } = store.settings.values.tracking.mlflow;
  return outbox.deliveryOf(store.db, run, trackingTarget(uri))?.experiment ?? experiment;
}

/** Says that nothing goes to an experiment which is chosen, where that is so. */
export function hintAtExperiment(io: Io, store: Store, chosen: string | undefined): void {
  const { uri, experiment } = store.settings.values.tracking.mlflow;
  if (chosen !== undefined)
    hintAtNames(io, "experiment", chosen, [...new Set([experiment, ...knownExperiments(store.db, trackingTarget(uri))])]);
}
