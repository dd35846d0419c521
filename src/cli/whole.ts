import { artifactRef } from "../domain/artifact-ref.ts";
import { countOf } from "../domain/quantity.ts";
import { CofferError } from "../domain/error.ts";
import type { Whole } from "../registry/marks.ts";
import { resolve } from "../registry/resolve.ts";
import type { Store } from "../store/store.ts";
import type { Flags, Positional, Values } from "./command.ts";

/** What `rm` takes and `restore` brings back: a reference, or a pipeline. */
export const WHOLE_POSITIONAL: Positional = { name: "REF", description: "a run (with all it made) or an artifact" };

export const WHOLE_FLAGS = {
  pipeline: { type: "string", valueHint: "P", description: "instead of REF: all of a pipeline" },
  dataset: { type: "string", valueHint: "D", description: "of that pipeline only what belongs to this dataset" },
} as const satisfies Flags;

/** `called`: what it is called, and nothing else is; `id` is shared by its versions; `again`: the words that name it on a command line. @throws CofferError USAGE, NOT_FOUND, AMBIGUOUS */
export function wholeOf(
  store: Store,
  ref: string | undefined,
  { pipeline, dataset }: Values<typeof WHOLE_FLAGS>,
  scope: "live" | "kept",
): { what: Whole; id: string; called: string; again: string } {
  if ((ref === undefined) === (pipeline === undefined))
    throw new CofferError("USAGE", "name either a run or artifact, or a --pipeline", { hint: "see --help; nothing was changed" });
  if (pipeline !== undefined)
    return {
      what: { kind: "pipeline", pipeline, dataset },
      id: pipeline,
      called: pipeline,
      again: `--pipeline ${pipeline}${dataset === undefined ? "" : ` --dataset ${shellWord(dataset)}`}`,
    };
  if (dataset !== undefined) throw new CofferError("USAGE", "--dataset needs a --pipeline", { hint: "see --help; nothing was changed" });
  const what = resolve(store, ref as string, scope);
  const called = what.kind === "run" ? what.run.id : artifactRef(what.artifact);
  return { what, id: what.kind === "run" ? what.run.id : what.artifact.id, called, again: shellWord(called) };
}

/** As somebody would type it. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `1 artifact`, `40 artifacts of 3 runs`. */
export function countWords({ artifacts, runs }: { artifacts: readonly unknown[]; runs: readonly unknown[] }): string {
  const of = runs.length > 1 ? ` of ${runs.length} runs` : "";
  return `${countOf(artifacts.length, "artifact")}${of}`;
}
