import { guessArtifactType } from "./artifact-type.ts";
import { matcher } from "./pattern.ts";
import { formatBytes } from "./quantity.ts";

/** What a stage, or a directory that it logs, leaves out. */
export interface SkipSettings {
  /** By name: as ignore rules, any whole part of a path. */
  readonly patterns: readonly string[];
  /** Bytes; a larger file goes, unless its name says that it is a model. null: no limit. */
  readonly max_size: number | null;
  /** Never left out. */
  readonly keep: readonly string[];
}

/** Tells why a path is left out, in words; undefined where it is not. Directories have no size. */
export type SkipRule = (path: string, size: number | undefined) => string | undefined;

export function skipRule({ patterns, max_size: limit, keep }: SkipSettings): SkipRule {
  const rules = patterns.map((pattern) => [pattern, matcher([pattern])] as const);
  const isKept = matcher(keep);
  return (path, size) => {
    if (isKept(path)) return undefined;
    const rule = rules.find(([, matches]) => matches(path));
    if (rule) return `${rule[0]} is in tracking.skip.patterns`;
    if (limit === null || size === undefined || size <= limit || isModel(path)) return undefined;
    return `it has ${formatBytes(size)}, tracking.skip.max_size is ${formatBytes(limit)}, and by its name it is no model`;
  };
}

function isModel(path: string): boolean {
  return ["model", "checkpoint"].includes(guessArtifactType(path));
}
