import { expect, test } from "bun:test";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import type { ArtifactItem } from "../../../src/gc/plan/gc-plan.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import { DAY, openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

const RULES = { ...PURGE_RULES, maxVersions: 2, maxAge: 30 * DAY };

/** Six names with seven versions, some of them old, and some out of sight; where there are directories, those of each third name, with a file in common with the one before. */
async function fill(t: TestStore, { directories }: { directories: boolean }): Promise<void> {
  for (let version = 1; version <= 7; version++)
    for (let nth = 0; nth < 6; nth++) {
      const age = (nth % 2 === 0 ? 60 - version : 7 - version) * DAY;
      const own = `${nth} ${version} `.repeat(20 + nth);
      const content =
        directories && nth % 3 === 0 ? { files: { own, shared: `shared ${nth} ${version >> 1} `.repeat(30) } } : { bytes: own };
      const { seq } = await t.add({ name: `name-${nth}`, age, ...content });
      if (nth === 5 && version < 4) artifacts.setState(t.store.db, seq, "removed", t.now - DAY);
    }
}

// what lies in directories is asked of the database, which then has all that goes; without any it has what was asked for
test.each([true, false])(
  "the first of each rule, however few are asked for, are those of the whole list, and the same plan can be swept after it (directories: %p)",
  async (directories) => {
    using t = await openTestStore();
    await fill(t, { directories });
    const whole = [...planGc(t.store, RULES).artifacts];
    const byRule = Map.groupBy(whole, ({ rule }) => rule);
    expect([...byRule.keys()].toSorted()).toEqual(["age", "removed", "versions"]);
    const plan = planGc(t.store, RULES);
    for (const most of [1, 2, 5, 100]) {
      const groups = plan.artifacts.byRule(most);
      expect(groups.map(({ rule }) => rule as string).toSorted()).toEqual([...byRule.keys()].toSorted());
      for (const { rule, count, first } of groups) {
        const all = byRule.get(rule) as ArtifactItem[];
        expect([count, first]).toEqual([all.length, all.slice(0, most)]);
      }
    }
    // a fresh one, of which no rule was asked before: the tables have its beginning alone
    const fresh = planGc(t.store, RULES);
    for (const most of [1, 5, 12]) expect(fresh.artifacts.first(most)).toEqual(whole.slice(0, most));
    expect(fresh.artifacts.byRule(2).flatMap(({ first }) => first)).toHaveLength(6);
    const swept = await sweep(t.store, fresh, () => false);
    expect([swept.stayed, swept.failed]).toEqual([[], []]);
    const gone = swept.deleted.filter(({ kind }) => kind === "artifact").map(({ what }) => what);
    expect(gone.toSorted()).toEqual(whole.map(({ what }) => what).toSorted());
    expect(swept.freed).toBe(fresh.totals.bytes);
  },
);
