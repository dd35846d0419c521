import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as runs from "../../src/db/records/runs.ts";
import { itemsOf, keptOf } from "../../src/gc/plan/gc-plan.ts";
import type { GcPlan } from "../../src/gc/plan/gc-plan.ts";
import { planGc } from "../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../src/gc/plan/rules.ts";
import { sweep } from "../../src/gc/apply/sweep.ts";
import { planWorkspaces } from "../../src/gc/plan/workspaces.ts";
import { writeDueManifests } from "../../src/manifest/check/write-due-manifests.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const RULES = { ...PURGE_RULES, maxVersions: 1, workspaces: 0, forgetUnsynced: true };
const going = (plan: GcPlan): string[] => [...itemsOf(plan)].map(({ what }) => what).toSorted();

async function planAll({ store }: TestStore): Promise<GcPlan> {
  const plan = planGc(store, RULES);
  await planWorkspaces(store, plan);
  return plan;
}

/** Expects that nothing goes, that the plan says why, and that a sweep of it changes nothing. */
async function expectStopped(t: TestStore, because: string): Promise<void> {
  const plan = await planAll(t);
  expect([going(plan), plan.repack, plan.stopped.map((stop) => stop.because)]).toEqual([[], [], [expect.stringContaining(because)]]);
  const listed = () => readdirSync(t.store.root, { recursive: true }).toSorted();
  const before = listed();
  expect(await sweep(t.store, plan, () => false)).toMatchObject({ deleted: [], failed: [], freed: 0 });
  expect(listed()).toEqual(before);
}

/** Two datasets with two versions and a stray file each; what a dead process staged; a run of corn with one artifact, and its manifest. */
async function withManifest(): Promise<TestStore & { run: runs.RunRow; made: ArtifactRow; manifest: string }> {
  const t = await openTestStore();
  for (const dataset of ["corn", "wheat"]) {
    for (let version = 1; version <= 2; version++) await t.add({ name: `${dataset}-model`, dataset });
    writeFileSync(t.store.path("binaries", dataset, "stray"), "stray");
  }
  mkdirSync(t.store.path("tmp/nobody"), { recursive: true });
  const run = t.run({ dataset: "corn" });
  const made = await t.add({ run, dataset: "corn", path: "out.bin" });
  writeManifest(t, run);
  t.now += 3_600_000;
  return Object.assign(t, { run, made, manifest: t.store.path("manifests", `${run.id}.yaml`) });
}

function writeManifest({ store }: TestStore, run: runs.RunRow): void {
  runs.update(store.db, run.seq, { manifest: "due" });
  writeDueManifests(store);
}

const ALL = ["binaries/corn/stray", "binaries/wheat/stray", "corn-model@v1", "tmp/nobody", "wheat-model@v1"];

/** As an older database has it: no such artifact, and its bytes are known all the same, or not. */
function forget({ store: { db } }: TestStore, { seq, blob }: ArtifactRow, bytesToo = false): void {
  db.query("DELETE FROM artifacts WHERE seq = ?").run(seq);
  if (bytesToo) db.query("DELETE FROM blobs WHERE seq = ?").run(blob);
}

function forgetRun(t: TestStore & { run: runs.RunRow; made: ArtifactRow }): void {
  forget(t, t.made);
  t.store.db.query("DELETE FROM runs WHERE seq = ?").run(t.run.seq);
}

test("where every manifest is of known runs and artifacts nothing is stopped, tombstones count as known", async () => {
  using t = await withManifest();
  artifacts.entomb(t.store.db, t.made.seq, t.now);
  const plan = await planAll(t);
  expect([going(plan).filter((what) => !what.includes("blake3")), plan.stopped]).toEqual([ALL, []]);
});

test("a manifest of a run that the database does not know stops everything, also blobs that rows name, until it is set aside by name", async () => {
  using t = await withManifest();
  forgetRun(t);
  await expectStopped(t, "tells of a run that the database does not know");
  expect([...keptOf(await planAll(t))].map(({ what, because }) => `${what}: ${because}`).toSorted()).toEqual([
    "binaries/corn/stray: gc is stopped",
    "binaries/wheat/stray: gc is stopped",
    "corn-model@v1: gc is stopped",
    "wheat-model@v1: gc is stopped",
  ]);
  renameSync(t.manifest, `${t.manifest}.aside`);
  expect(going(await planAll(t))).toEqual(expect.arrayContaining(ALL));
});

test("so it does where it broke off, is no text, or has a broken escape", async () => {
  using t = await withManifest();
  const text = await Bun.file(t.manifest).text();
  forgetRun(t);
  for (const broken of [text.slice(0, text.indexOf("artifacts:")), "", 'schema_version: "2.0', "\0\0\0", 'dataset: "a\\qb"\nx: {']) {
    writeFileSync(t.manifest, broken);
    await expectStopped(t, `${t.run.id}.yaml.aside`);
  }
});

test("what is no file at all stops it, and is not waited for", async () => {
  using t = await withManifest();
  mkdirSync(t.store.path("manifests/a-directory.yaml"));
  await expectStopped(t, "a-directory.yaml.aside");
  renameSync(t.store.path("manifests/a-directory.yaml"), t.store.path("manifests/aside"));
  const journal = t.store.path("manifests/journal.jsonl");
  Bun.spawnSync(["mkfifo", journal]);
  await expectStopped(t, "manifests/journal.jsonl cannot be read");
  rmSync(journal);
  for (const make of [() => mkdirSync(t.manifest), () => Bun.spawnSync(["mkfifo", t.manifest])]) {
    renameSync(t.manifest, t.store.path(`manifests/${Bun.randomUUIDv7()}`));
    make();
    await expectStopped(t, "cannot be read");
  }
});

test("a known run's manifest that tells of an artifact without a row stops everything", async () => {
  using t = await withManifest();
  const whole = await Bun.file(t.manifest).text();
  forget(t, t.made, true);
  await expectStopped(t, "tells of artifacts that the database does not know");
  // as it was written before there was a last line
  writeFileSync(t.manifest, whole.replace("  complete: true\n", ""));
  await expectStopped(t, "tells of artifacts that the database does not know");
  for (const broken of [whole.slice(0, whole.indexOf("  - uid")), whole.slice(0, whole.indexOf("coffer:")), "{{{"]) {
    writeFileSync(t.manifest, broken);
    await expectStopped(t, "cannot be read to its end");
  }
});

test("where nothing would go, manifests of known runs are not asked", async () => {
  using t = await openTestStore();
  const run = t.run();
  await t.add({ run });
  writeManifest(t, run);
  writeFileSync(t.store.path("manifests", `${run.id}.yaml`), "{{{");
  expect(planGc(t.store, RULES)).toMatchObject({ stopped: [], totals: { items: 0 } });
});

test("a manifest that tells of more than the rows is not overwritten, but kept beside, where it stops gc", async () => {
  using t = await withManifest();
  const fuller = await Bun.file(t.manifest).text();
  forget(t, t.made, true);
  writeManifest(t, t.run);
  const beside = readdirSync(t.store.path("manifests")).filter((name) => name.startsWith(`${t.run.id}.20`));
  expect(beside).toHaveLength(1);
  expect(await Bun.file(t.store.path("manifests", beside[0] as string)).text()).toBe(fuller);
  expect(await Bun.file(t.manifest).text()).not.toContain(t.made.uid);
  await expectStopped(t, `${beside[0]}.aside`);
  // again it has nothing to keep
  writeManifest(t, t.run);
  expect(readdirSync(t.store.path("manifests")).filter((name) => name.startsWith(t.run.id))).toHaveLength(2);
});

test("bytes that a lost run has under another name stay when the database of before is put back", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "old", bytes: "of both" });
  t.store.db.run(`VACUUM INTO '${t.store.path("before.db")}'`);
  const run = t.run();
  await t.add({ run, name: "new", bytes: "of both" });
  writeManifest(t, run);
  const { path } = t.store.db.query<{ path: string }, [number]>("SELECT path FROM blobs WHERE seq = ?").get(old.blob as number) as {
    path: string;
  };
  // the rows as they were
  t.store.db.run(`ATTACH '${t.store.path("before.db")}' AS before`);
  for (const table of ["artifacts", "runs"]) t.store.db.run(`DELETE FROM ${table} WHERE seq NOT IN (SELECT seq FROM before.${table})`);
  t.store.db.run("DETACH before");
  artifacts.setState(t.store.db, old.seq, "removed", t.now);
  t.now += 3_600_000;
  await expectStopped(t, run.id);
  expect(existsSync(t.store.path(path))).toBe(true);
});
