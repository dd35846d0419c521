import { CofferError } from "../domain/error.ts";
import { parseExecutionPath } from "../domain/execution-path.ts";

/** Where in a pipeline a run stands; what is not said stays open and may come from the run around it. */
export interface Context {
  pipeline: string | undefined;
  branch: readonly number[] | undefined;
  step: { step: number; subStep: number | null } | undefined;
  fold: number | null | undefined;
}

/**
 * Reads `--pipeline`, `--step`, `--branch`, `--fold`; what no flag says comes from COFFER_PIPELINE and its like, where an outer script set them.
 * @throws CofferError NAME_INVALID, USAGE
 */
export function parseContext(given: { pipeline: string | undefined; step: string | undefined; branch: string | undefined; fold: string | undefined }, env: Readonly<Record<string, string | undefined>>): Context {
  const pipeline = given.pipeline ?? (env["COFFER_PIPELINE"] || undefined);
  const step = given.step ?? (env["COFFER_STEP"] || undefined);
  const branch = given.branch ?? (env["COFFER_BRANCH"] || undefined);
  const fold = given.fold ?? (env["COFFER_FOLD"] || undefined);
  if (pipeline === undefined && (step ?? branch ?? fold) !== undefined) throw new CofferError("USAGE", "a step, branch or fold needs a pipeline", { hint: "add --pipeline ID" });
  if (pipeline === undefined) return { pipeline, branch: undefined, step: undefined, fold: undefined };
  // read by the one parser there is, with blanks filled in
  const parsed = parseExecutionPath([pipeline, ...(branch === undefined ? [] : branch.split(":")), step ?? "0", fold ?? "all"].join(":"));
  return {
    pipeline,
    branch: branch === undefined ? undefined : parsed.branch,
    step: step === undefined ? undefined : { step: parsed.step, subStep: parsed.subStep },
    fold: fold === undefined ? undefined : parsed.fold,
  };
}
