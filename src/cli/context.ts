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
 * Reads `--pipeline`, `--step`, `--branch`, `--fold`; what no flag says comes from COFFER_PIPELINE and its like. Those of the run that we are inside of say
 * where that run stands: its pipeline and branch hold for what it starts, its step and fold are its own. Another pipeline has other branches.
 * @throws CofferError NAME_INVALID, USAGE
 */
export function parseContext(
  given: { pipeline: string | undefined; step: string | undefined; branch: string | undefined; fold: string | undefined },
  env: Readonly<Record<string, string | undefined>>,
): Context {
  const pipeline = given.pipeline ?? (env["COFFER_PIPELINE"] || undefined);
  const isSame = pipeline === env["COFFER_PIPELINE"];
  const isOwn = isSame && !env["COFFER_RUN_ID"];
  const branch = given.branch ?? (isSame ? env["COFFER_BRANCH"] || undefined : undefined);
  const step = given.step ?? (isOwn ? env["COFFER_STEP"] || undefined : undefined);
  const fold = given.fold ?? (isOwn ? env["COFFER_FOLD"] || undefined : undefined);
  if (pipeline === undefined && (step ?? branch ?? fold) !== undefined)
    throw new CofferError("USAGE", "a step, branch or fold needs a pipeline", { hint: "add --pipeline ID" });
  if (pipeline === undefined) return { pipeline, branch: undefined, step: undefined, fold: undefined };
  // read by the one parser there is, with blanks filled in
  const branches = branch === undefined ? [] : branch.split(":");
  const parsed = parseExecutionPath([pipeline, ...branches, step ?? "0", fold ?? "all"].join(":"));
  if (parsed.pipeline !== pipeline || parsed.branch.length !== branches.length)
    throw new CofferError("NAME_INVALID", "only a branch has colons", { hint: "write --pipeline P --branch 0:2 --step 3 --fold 1" });
  return {
    pipeline,
    branch: branch === undefined ? undefined : parsed.branch,
    step: step === undefined ? undefined : { step: parsed.step, subStep: parsed.subStep },
    fold: fold === undefined ? undefined : parsed.fold,
  };
}
