import { expect, test } from "bun:test";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import { itemsOf } from "../../../src/gc/plan/gc-plan.ts";
import type { GcPlan } from "../../../src/gc/plan/gc-plan.ts";
import { countOrphans } from "../../../src/gc/plan/orphans.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import { openWhy } from "../../../src/gc/why/why.ts";
import { DAY, openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

const ANOTHER = "another plan was made since this one";

/** All ways to what stands in the sets of a plan. */
function reads({ artifacts, blobs }: GcPlan): (() => unknown)[] {
  return [() => artifacts.byRule(20), () => artifacts.first(20), () => [...artifacts], () => blobs.first(20), () => [...blobs]];
}

const planForRoom = ({ store }: TestStore): GcPlan => planGc(store, { ...PURGE_RULES, maxSize: 0 });

test("what an older plan has cannot be read once another was made, and a sweep of the other takes nothing of it", async () => {
  using t = await openTestStore();
  const made = [await t.add({ age: 2 * DAY }), await t.add({ age: DAY })];
  const older = planForRoom(t);
  const newer = planGc(t.store, PURGE_RULES);
  expect([older.artifacts.count, newer.artifacts.count]).toEqual([2, 0]);
  for (const read of reads(older)) expect(read).toThrow(ANOTHER);
  await expect(sweep(t.store, older, () => false)).rejects.toThrow(ANOTHER);
  expect([...itemsOf(newer)]).toEqual([]);
  expect((await sweep(t.store, newer, () => false)).deleted).toEqual([]);
  expect(made.map((artifact) => t.again(artifact).state)).toEqual(["live", "live"]);
});

test("whatever else opens the sets takes them from a plan", async () => {
  using t = await openTestStore();
  await t.add({ age: DAY });
  for (const open of [() => openWhy(t.store, { thoroughly: false }), () => countOrphans(t.store, null)]) {
    const plan = planForRoom(t);
    expect(plan.artifacts.first(1)).toHaveLength(1);
    open();
    for (const read of reads(plan)) expect(read).toThrow(ANOTHER);
    await expect(sweep(t.store, plan, () => false)).rejects.toThrow(ANOTHER);
  }
});
