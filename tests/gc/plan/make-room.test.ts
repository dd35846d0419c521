import { expect, test } from "bun:test";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import { readTree } from "../../../src/store/read.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { DAY, openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

/** Bytes of all blobs that the store has. */
function stored({ store }: TestStore): number {
  return (store.db.query("SELECT ifnull(sum(size), 0) AS bytes FROM blobs").get() as { bytes: number }).bytes;
}

/**
 * Directories that have files in common with each other, with files that were logged by themselves, and with a directory that stays; one of them in a pack, two of them the
 * same; and files that no directory has. Some were made from others, some were used of late, and one that goes in any case has bytes of a directory that may. `earlier`: how much
 * older all of it is, in milliseconds.
 */
async function fill(t: TestStore, earlier: number): Promise<ArtifactRow[]> {
  const common = (nth: number): string => `common ${nth} `.repeat(20);
  const made: ArtifactRow[] = [];
  await t.add({ name: "stays", files: { a: common(0), b: "it alone stays ".repeat(10) } });
  for (let nth = 0; nth < 6; nth++) {
    const files = { own: `own ${nth} `.repeat(30 + nth), common: common(nth % 3), inner: common(3 + (nth % 2)) };
    made.push(await t.add({ age: earlier + (20 - nth) * DAY, files }));
    made.push(await t.add({ age: earlier + (20 - 2 * nth) * DAY, bytes: `file ${nth} `.repeat(25) }));
  }
  const packed = Object.fromEntries(
    Array.from({ length: 40 }, (_, nth) => [`f${nth}`, nth < 3 ? common(nth) : `packed ${nth} `.repeat(9)]),
  );
  for (const age of [13, 3]) made.push(await t.add({ age: earlier + age * DAY, files: packed }));
  for (const nth of [1, 4]) made.push(await t.add({ age: earlier + 17 * DAY, bytes: common(nth), dependsOn: [made[nth] as ArtifactRow] }));
  const removed = await t.add({ bytes: "own 0 ".repeat(30) });
  artifacts.setState(t.store.db, removed.seq, "removed", t.now - DAY);
  made.push(removed);
  blobs.touch(t.store.db, [made[2]?.blob as number], t.now - 5 * DAY);
  return made;
}

/** Of all that is stored. */
const LIMITS = [0, 0.7, 0.8, 0.88, 0.95];

test.each([
  ["of late", 0],
  ["before 1970", 100 * 365 * DAY],
])(
  "directories that share files and were made %s make room: what a plan says of it, shown in part and as a whole, is what its sweep does",
  async (_, earlier) => {
    const going: number[] = [];
    for (const share of LIMITS) {
      using t = await openTestStore();
      const made = await fill(t, earlier);
      const before = stored(t);
      const maxSize = Math.floor(before * share);
      const rules = { ...PURGE_RULES, maxSize };
      const plan = planGc(t.store, rules);
      const { limit, totals } = plan;
      const shown = plan.artifacts.byRule(5);
      const all = [...plan.artifacts];
      expect(shown.map(({ rule }) => rule)).toEqual(["removed", "size"]);
      for (const { rule, count, first } of shown) {
        const own = all.filter((one) => one.rule === rule);
        expect([count, first]).toEqual([own.length, own.slice(0, 5)]);
      }
      expect(limit).toEqual({
        bytes: maxSize,
        stored: before,
        after: before - totals.bytes - totals.bytes_after_repacking,
        met: (limit?.after as number) <= maxSize,
      });
      // what is told of each is what it frees alone
      expect(all.reduce((sum, one) => sum + one.bytes + one.bytes_after_repacking, 0)).toBeLessThanOrEqual(
        before - (limit?.after as number),
      );
      const swept = await sweep(t.store, plan, () => false);
      expect([swept.failed, swept.stayed]).toEqual([[], []]);
      expect(stored(t)).toBe(limit?.after as number);
      expect((await verify(t.store, { share: 1, random: Math.random })).damage).toEqual([]);
      const gone = made.map((artifact) => t.again(artifact)).filter(({ state }) => state === "deleted");
      expect(gone.map(({ seq }) => seq)).toEqual(all.map(({ seq }) => seq));
      for (const { blob, state, kind } of made.map((artifact) => t.again(artifact)))
        if (state === "live" && kind === "tree") expect((await readTree(t.store, blob as number)).length).toBeGreaterThan(2);
      expect(planGc(t.store, rules).totals.items).toBe(0);
      going.push(all.length);
    }
    // the more room is wanted the more goes, and each limit takes another part
    expect(going).toEqual(going.toSorted((a, b) => b - a));
    expect(new Set(going).size).toBe(LIMITS.length);
  },
);
