import type { Config } from "../../config/schema.ts";
import { rulesFrom } from "../../gc/plan/rules.ts";
import type { GcRules } from "../../gc/plan/rules.ts";
import type { Flags, Values } from "../command.ts";

/** The flags of `gc` and `gc why` that say which rules hold. */
export const RULE_FLAGS = {
  orphans: { type: "boolean", description: "files that no row names" },
  "failed-runs": { type: "boolean", description: "what failed runs registered (after failed_runs_days, or --grace where given)" },
  workspaces: {
    type: "boolean",
    description: "workspaces of finished runs whose outputs are all stored (after workspaces_days, or --grace)",
  },
  "max-versions": { type: "string", valueHint: "N", description: "all but the newest N versions of each name" },
  "max-age": { type: "string", valueHint: "DAYS", description: "what is older: 90 (days), 90d, 12h" },
  "max-size": { type: "string", valueHint: "SIZE", description: "what was used longest ago, until so much is stored: 50GB" },
  grace: { type: "string", valueHint: "TIME", description: "how long garbage is left alone: 1h, 0 (cleanup_policy.grace)" },
  "forget-unsynced": { type: "boolean", description: "give up what the tracking server was not told, where that keeps garbage" },
} as const satisfies Flags;

/** Those that would take more, as flags. */
export function unusedRules({ workspaces, failedRuns, maxVersions, maxAge, maxSize }: GcRules): string[] {
  return [
    workspaces === null && "--workspaces (of finished runs, where all is stored)",
    failedRuns === null && "--failed-runs",
    maxVersions === null && "--max-versions N",
    maxAge === null && "--max-age DAYS",
    maxSize === null && "--max-size SIZE",
  ].filter((flag) => flag !== false);
}

/** Those of the configuration, or those that are named. */
export function gcRules(flags: Values<typeof RULE_FLAGS>, values: Config): GcRules {
  return rulesFrom(
    {
      orphans: flags.orphans,
      failedRuns: flags["failed-runs"],
      workspaces: flags.workspaces,
      maxVersions: flags["max-versions"],
      maxAge: flags["max-age"],
      maxSize: flags["max-size"],
      grace: flags.grace,
      forgetUnsynced: flags["forget-unsynced"],
    },
    values.artifact_store.cleanup_policy,
  );
}
