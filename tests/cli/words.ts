import { coffer } from "../support/coffer.ts";
import type { CofferOptions, CofferResult } from "../support/coffer.ts";

/** Run ids, times, digests and directories as words, so that what a person sees can be compared. */
export function words(text: string, root = ""): string {
  return (root === "" ? text : text.replaceAll(root, "ROOT"))
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, "RUN")
    .replace(/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+Z)?/g, "TIME")
    .replace(/\b[0-9a-f]{40,64}\b/g, "DIGEST")
    .replace(/ +$/gm, "");
}

/** Runs a command that has to succeed. */
export async function done(args: readonly string[], options: CofferOptions = {}): Promise<CofferResult> {
  const result = await coffer(args, options);
  if (result.code !== 0) throw new Error(`coffer ${args.join(" ")} ended with ${result.code}: ${result.stderr}`);
  return result;
}

/** The error of a command with `--json`. */
export interface JsonError {
  schema: "coffer.error/1";
  code: string;
  message: string;
  hint?: string;
  candidates: string[];
  exit: number;
}
