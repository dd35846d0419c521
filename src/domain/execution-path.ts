import { CofferError } from "./error.ts";

/**
 * The identity of an artifact that a pipeline's step made: `pipeline:[b0:b1:…:]step[.sub]:fold`.
 * `0001_pls:3:all`, `0001_pls:0:2:3:all`, `0001_pls:3.1:0`. Made and read here only.
 */
export interface ExecutionPath {
  readonly pipeline: string;
  /** From the outermost branch to the innermost. */
  readonly branch: readonly number[];
  readonly step: number;
  readonly subStep: number | null;
  /** null is `all`; fold 0 is a fold like any other. */
  readonly fold: number | null;
}

const NUMBER = /^(0|[1-9][0-9]{0,8})$/;
const STEP = /^(0|[1-9][0-9]{0,8})(?:\.(0|[1-9][0-9]{0,8}))?$/;

/** @throws CofferError NAME_INVALID if a part cannot be written. */
export function formatExecutionPath(path: ExecutionPath): string {
  checkPipeline(path.pipeline);
  const step = path.subStep === null ? `${path.step}` : `${path.step}.${path.subStep}`;
  const text = [path.pipeline, ...path.branch, step, path.fold ?? "all"].join(":");
  const read = parseExecutionPath(text);
  // a step of 1.5 would be read as step 1, sub-step 5
  if (read.step !== path.step || read.subStep !== path.subStep) throw malformed(text, "step and sub-step are whole numbers");
  return text;
}

/** @throws CofferError NAME_INVALID: ASCII digits, no blanks, no empty parts, no leading zeros. */
export function parseExecutionPath(text: string): ExecutionPath {
  const parts = text.split(":");
  if (parts.length < 3) throw malformed(text, "it needs pipeline, step and fold, with a colon between them");
  const pipeline = parts[0] as string;
  checkPipeline(pipeline);
  const foldText = parts.at(-1) as string;
  const step = STEP.exec(parts.at(-2) as string);
  if (!step) throw malformed(text, `the step is a number, or number.number, not “${parts.at(-2)}”`);
  if (foldText !== "all" && !NUMBER.test(foldText)) throw malformed(text, `the fold is a number or “all”, not “${foldText}”`);
  const branch = parts.slice(1, -2);
  for (const part of branch) if (!NUMBER.test(part)) throw malformed(text, `a branch is a number, not “${part}”`);
  return {
    pipeline,
    branch: branch.map(Number),
    step: Number(step[1]),
    subStep: step[2] === undefined ? null : Number(step[2]),
    fold: foldText === "all" ? null : Number(foldText),
  };
}

/** A record matches when its branch path is a prefix of the one asked for: no branch is a prefix of all. */
export function branchMatches(record: readonly number[], asked: readonly number[]): boolean {
  return record.length <= asked.length && record.every((part, index) => part === asked[index]);
}

/** All branch paths that match the one asked for, for those who cannot ask `branchMatches` of each record. */
export function matchingBranches(asked: readonly number[]): number[][] {
  return Array.from({ length: asked.length + 1 }, (_, length) => asked.slice(0, length));
}

function checkPipeline(pipeline: string): void {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$/.test(pipeline))
    throw new CofferError("NAME_INVALID", `not a pipeline id: “${pipeline}”`, {
      hint: "letters, digits, dot, dash and underscore; no colon, blank or slash; at most 200 characters",
    });
}

function malformed(text: string, why: string): CofferError {
  return new CofferError("NAME_INVALID", `not an execution-path id: “${text}”: ${why}`, {
    hint: "write pipeline:[branch:…]step[.sub]:fold, such as 0001_pls:0:2:3:all",
  });
}
