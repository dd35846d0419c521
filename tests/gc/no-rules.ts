import type { RuleFlags } from "../../src/gc/plan/rules.ts";

/** What the words of a call ask for where they name no rule. */
export const NO_RULES: RuleFlags = {
  orphans: false,
  failedRuns: false,
  workspaces: false,
  maxVersions: undefined,
  maxAge: undefined,
  maxSize: undefined,
  grace: undefined,
  forgetUnsynced: false,
};
