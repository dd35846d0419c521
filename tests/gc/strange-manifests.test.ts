import { expect, test } from "bun:test";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { writeDueManifests } from "../../src/manifest/run-manifest.ts";
import * as runs from "../../src/db/runs.ts";
import { itemsOf, keptOf } from "../../src/gc/gc-plan.ts";
import type { GcPlan } from "../../src/gc/gc-plan.ts";
import { planGc } from "../../src/gc/plan.ts";
import { PURGE_RULES } from "../../src/gc/rules.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const RULES = { ...PURGE_RULES, maxVersions: 1 };
const going = (plan: GcPlan): string[] => [...itemsOf(plan)].map(({ what }) => what).toSorted();

/** Two datasets with two versions and a stray file each, and a manifest of a run of corn whose row is then gone. */
async function withStrangeManifest(): Promise<TestStore & { manifest: string; text: string }> {
  const t = await openTestStore();
  for (const dataset of ["corn", "wheat"]) {
    for (let version = 1; version <= 2; version++) await t.add({ name: `${dataset}-model`, dataset });
    writeFileSync(t.store.path("binaries", dataset, "stray"), "stray");
  }
  const run = t.run({ dataset: "corn" });
  runs.update(t.store.db, run.seq, { manifest: "due" });
  writeDueManifests(t.store);
  t.store.db.query("DELETE FROM runs WHERE seq = ?").run(run.seq);
  t.now += 3_600_000;
  const manifest = t.store.path("manifests", `${run.id}.yaml`);
  return Object.assign(t, { manifest, text: await Bun.file(manifest).text() });
}

test("a manifest of a run that the database does not know keeps the files of its dataset, and stops nothing else", async () => {
  using t = await withStrangeManifest();
  const plan = planGc(t.store, RULES);
  expect(going(plan)).toEqual(["binaries/wheat/stray", "corn-model@v1", "wheat-model@v1"]);
  expect([...keptOf(plan)]).toEqual([
    { rule: "orphans", what: "binaries/corn/stray", because: expect.stringContaining("it may name this file") },
  ]);
  expect(plan.stopped).toEqual([]);
});

test("one that broke off stops gc for its dataset", async () => {
  using t = await withStrangeManifest();
  writeFileSync(t.manifest, t.text.slice(0, t.text.indexOf("artifacts:")));
  const plan = planGc(t.store, RULES);
  expect(going(plan)).toEqual(["binaries/wheat/stray", "wheat-model@v1"]);
  expect(plan.stopped).toMatchObject([{ dataset: "corn" }]);
  expect([...keptOf(plan)].map(({ what }) => what).toSorted()).toEqual(["binaries/corn/stray", "corn-model@v1"]);
});

test("one that does not tell its dataset stops all of it, until it is set aside by name", async () => {
  using t = await withStrangeManifest();
  for (const text of ["", 'schema_version: "2.0', "\0\0\0", "[]", 'dataset: "co']) {
    writeFileSync(t.manifest, text);
    const plan = planGc(t.store, RULES);
    expect([text, going(plan), plan.stopped.length, plan.stopped[0]?.dataset]).toEqual([text, [], 1, null]);
  }
  renameSync(t.manifest, `${t.manifest}.aside`);
  expect(going(planGc(t.store, RULES))).toHaveLength(4);
});

test("one that cannot be opened stops all of it", async () => {
  using t = await withStrangeManifest();
  mkdirSync(t.store.path("manifests", "a-directory.yaml"));
  expect(going(planGc(t.store, RULES))).toEqual([]);
});

test("a damaged manifest of a run that the database knows stops nothing: there the rows are the truth", async () => {
  using t = await withStrangeManifest();
  renameSync(t.manifest, t.store.path("manifests", `${t.run().id}.yaml`));
  writeFileSync(t.manifest.replace(/[^/]*$/, `${t.run().id}.yaml`), "{{{");
  expect(planGc(t.store, RULES).stopped).toEqual([]);
});
