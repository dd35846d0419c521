import type { Config } from "../../config/schema.ts";
import { CofferError } from "../../domain/error.ts";
import { parseBytes, parseDuration } from "../../domain/quantity.ts";

const DAY = 86_400_000;

/** What gc may take. Times are milliseconds, sizes bytes; null: the rule is off. */
export interface GcRules {
  /** How long bytes that no row names, and what `rm` took away, are left alone. */
  grace: number;
  orphans: boolean;
  /** Since the end of a failed run. */
  failedRuns: number | null;
  /** Since the end of a finished run. */
  workspaces: number | null;
  /** Of one name. */
  maxVersions: number | null;
  maxAge: number | null;
  /** Of all that is stored. */
  maxSize: number | null;
  /** Gives up what a tracking server has not been told. */
  forgetUnsynced: boolean;
}

/** The command's words, as they were typed. */
export interface RuleFlags {
  orphans: boolean;
  failedRuns: boolean;
  workspaces: boolean;
  maxVersions: string | undefined;
  maxAge: string | undefined;
  maxSize: string | undefined;
  grace: string | undefined;
  forgetUnsynced: boolean;
}

/**
 * Which rules hold. Rules named on the command line are the only ones (the less is deleted the better understood it is); else those of the
 * configuration, when it enables them. What nobody can miss is always planned: see `planGc`.
 * @throws CofferError USAGE
 */
export function rulesFrom(flags: RuleFlags, policy: Config["artifact_store"]["cleanup_policy"]): GcRules {
  const given = flags.grace === undefined ? undefined : quantity("--grace", flags.grace, parseDuration);
  const grace = given ?? policy.grace;
  const named =
    flags.orphans ||
    flags.failedRuns ||
    flags.workspaces ||
    [flags.maxVersions, flags.maxAge, flags.maxSize].some((flag) => flag !== undefined);
  const configured = policy.enabled && !named;
  const days = (count: number | null): number | null => (count === null ? null : count * DAY);
  return {
    grace,
    orphans: flags.orphans || policy.orphans,
    failedRuns: flags.failedRuns ? (given ?? days(policy.failed_runs_days) ?? grace) : configured ? days(policy.failed_runs_days) : null,
    workspaces: flags.workspaces ? (given ?? days(policy.workspaces_days) ?? grace) : configured ? days(policy.workspaces_days) : null,
    maxVersions: flags.maxVersions !== undefined ? versions(flags.maxVersions) : configured ? policy.max_versions_per_artifact : null,
    maxAge: flags.maxAge !== undefined ? quantity("--max-age", flags.maxAge, age) : configured ? days(policy.max_age_days) : null,
    maxSize: flags.maxSize !== undefined ? quantity("--max-size", flags.maxSize, parseBytes) : configured ? policy.max_size : null,
    forgetUnsynced: flags.forgetUnsynced,
  };
}

/** Only what no row names, and what no artifact names. */
export function orphanRules(grace: string | undefined, policy: Config["artifact_store"]["cleanup_policy"]): GcRules {
  return { ...PURGE_RULES, grace: grace === undefined ? policy.grace : quantity("--grace", grace, parseDuration) };
}

/** A person's word for a whole dataset: nothing of it is too young. */
export const PURGE_RULES: GcRules = {
  grace: 0,
  orphans: true,
  failedRuns: null,
  workspaces: null,
  maxVersions: null,
  maxAge: null,
  maxSize: null,
  forgetUnsynced: false,
};

function versions(text: string): number {
  const count = Number(text);
  if (!/^[0-9]+$/.test(text) || count < 1)
    throw new CofferError("USAGE", `--max-versions: not a number of versions: “${text}”`, {
      hint: "write 1 or more; the newest version always stays",
    });
  return count;
}

/** `90` is days. */
function age(text: string): number {
  return /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) * DAY : parseDuration(text);
}

function quantity(flag: string, text: string, parse: (text: string) => number): number {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    throw new CofferError("USAGE", `${flag}: ${error.message}`, {
      hint: flag === "--max-age" ? "write 90 (days), 90d, 12h, or 0" : (error.hint ?? "see --help"),
    });
  }
}
