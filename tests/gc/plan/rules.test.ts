import { expect, test } from "bun:test";
import { DEFAULTS } from "../../../src/config/defaults.ts";
import { CofferError } from "../../../src/domain/error.ts";
import { rulesFrom } from "../../../src/gc/plan/rules.ts";
import { NO_RULES } from "../no-rules.ts";

const policy = DEFAULTS.artifact_store.cleanup_policy;
const enabled = { ...policy, enabled: true };
const DAY = 86_400_000;
const off = { failedRuns: null, workspaces: null, maxVersions: null, maxAge: null, maxSize: null };

test("by default no rule looks at versions", () =>
  expect(rulesFrom(NO_RULES, policy)).toEqual({ ...off, grace: 3_600_000, orphans: true, forgetUnsynced: false }));

test("an enabled policy switches all of its rules on", () => {
  expect(rulesFrom(NO_RULES, enabled)).toMatchObject({
    failedRuns: 7 * DAY,
    workspaces: null,
    maxVersions: 10,
    maxAge: 90 * DAY,
    maxSize: 50_000_000_000,
  });
  expect(
    rulesFrom(NO_RULES, {
      ...enabled,
      max_versions_per_artifact: null,
      max_age_days: null,
      max_size: null,
      failed_runs_days: null,
      workspaces_days: 3,
    }),
  ).toMatchObject({ ...off, workspaces: 3 * DAY });
});

test("rules that are named are the only ones", () => {
  expect(rulesFrom({ ...NO_RULES, maxVersions: "3" }, enabled)).toMatchObject({ ...off, maxVersions: 3 });
  expect(rulesFrom({ ...NO_RULES, failedRuns: true }, policy)).toMatchObject({ ...off, failedRuns: 7 * DAY });
});

test("a grace on the command line counts for failed runs and workspaces too", () => {
  expect(rulesFrom({ ...NO_RULES, failedRuns: true, workspaces: true, grace: "0" }, policy)).toMatchObject({
    grace: 0,
    failedRuns: 0,
    workspaces: 0,
  });
  expect(rulesFrom({ ...NO_RULES, workspaces: true }, policy)).toMatchObject({ workspaces: policy.grace });
});

test("orphans can be left alone", () => {
  expect(rulesFrom(NO_RULES, { ...policy, orphans: false }).orphans).toBe(false);
  expect(rulesFrom({ ...NO_RULES, orphans: true }, { ...policy, orphans: false }).orphans).toBe(true);
});

test("an age without a unit is days", () => {
  expect(rulesFrom({ ...NO_RULES, maxAge: "90" }, policy).maxAge).toBe(90 * DAY);
  expect(rulesFrom({ ...NO_RULES, maxAge: "12h" }, policy).maxAge).toBe(DAY / 2);
});

test("a limit of no versions, and what is no number, are refused", () => {
  for (const wrong of [
    { maxVersions: "0" },
    { maxVersions: "1.5" },
    { maxVersions: "many" },
    { maxAge: "old" },
    { maxSize: "big" },
    { grace: "1" },
  ])
    expect(() => rulesFrom({ ...NO_RULES, ...wrong }, policy)).toThrow(CofferError);
});
