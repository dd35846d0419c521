import { dirname } from "node:path";
import { CofferError } from "../../domain/error.ts";
import { troubleAdvice, troubleOf } from "../../domain/disk-trouble.ts";
import type { Store } from "../../store/store.ts";
import type { Begun } from "../begin.ts";
import type { End } from "../finish.ts";
import type { RunRequest } from "../run.ts";

/** The command lines that are shown at most. */
const SHOWN = 5;

/** The last words about a run whose outputs could not be stored: what to do first, and how what it made gets into it then. */
export function unstoredWords(
  store: Store,
  { run, workspace }: Begun,
  { register }: RunRequest,
  { state }: End,
  failure: unknown,
): string[] {
  const named = [...register].flatMap(([path, names]) => names.map((name) => `--name ${name} '${workspace}/${path}'`));
  const lines = named.length === 0 ? [`'${workspace}/PATH'`] : named.slice(0, SHOWN);
  return [
    ...firstAid(store, failure),
    `run ${run.id} ${state}: none of its outputs is stored; the workspace stays as it is: ${workspace}`,
    ...lines.map((what) => `to keep some of it: coffer log --run ${run.id} ${what}`),
  ];
}

function firstAid({ root }: Store, failure: unknown): string[] {
  if (!(failure instanceof CofferError)) return [];
  const { path, dest = path } = (failure.cause ?? {}) as { path?: string; dest?: string };
  const trouble = troubleOf(failure.cause, dest === undefined ? root : dirname(dest));
  if (trouble) return [troubleAdvice(trouble)];
  return failure.hint === undefined ? [] : [failure.hint];
}
