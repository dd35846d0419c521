import { matcher } from "./pattern.ts";

/** What a run's outputs are, by patterns. */
export interface OutputRules {
  ignore: readonly string[];
  /** Name the outputs; none: every top-level entry of the workspace is one. */
  outputs: readonly string[];
}

/**
 * Tells of a file whether the rules leave it out, by its path within the workspace: it belongs to no output, or is ignored inside of one. What `outputs`
 * names is one, ignored or not, and ignore rules hold inside it.
 */
export function leftOutBy({ ignore, outputs }: OutputRules): (path: string) => boolean {
  const named = matcher(outputs);
  const ignored = matcher(ignore);
  const within = ignoredWithin(ignore);
  return (path) => {
    const names = path.split("/");
    const upTo = (end: number): string => names.slice(0, end).join("/");
    const length = outputs.length === 0 ? 1 : names.findIndex((_, index) => named(upTo(index + 1))) + 1;
    if (length === 0 || (outputs.length === 0 && ignored(upTo(1)))) return true;
    return length < names.length && within(upTo(length), names.slice(length).join("/"));
  };
}

/** Tells whether something inside an output is ignored. Patterns count from the output's own directory, and from the workspace unless they cover the whole output. */
export function ignoredWithin(ignore: readonly string[]): (output: string, path: string) => boolean {
  const ignored = matcher(ignore);
  return (output, path) => ignored(path) || (!ignored(output) && ignored(`${output}/${path}`));
}
