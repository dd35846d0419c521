import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { itemsOf } from "../../../src/gc/plan/gc-plan.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { checkManifests } from "../../../src/manifest/check/check-manifests.ts";
import { repairManifests } from "../../../src/manifest/check/repair-manifests.ts";
import { rebuild } from "../../../src/manifest/rebuild/rebuild.ts";
import type { Rebuilt } from "../../../src/manifest/rebuild/rebuild.ts";
import { log } from "../../../src/registry/log.ts";
import { pin, remove, retag, setAlias } from "../../../src/registry/marks.ts";
import { adoptLeft } from "../../../src/run/adopt/adopt-left.ts";
import { readChecked } from "../../../src/store/read.ts";
import { openStore } from "../../../src/store/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { stableDump } from "../stable-dump.ts";

const DATABASE = ["", "-wal", "-shm"].map((suffix) => `coffer.db${suffix}`);
const ALL = { share: 1, random: Math.random, stop: () => false };
let number = 0;

/** `coffer log PATH --run RUN`. */
async function logTo(
  { store }: TestStore,
  run: RunRow | undefined,
  given: Partial<Parameters<typeof log>[1]> & { files?: Record<string, string>; as?: string } = {},
): Promise<ArtifactRow> {
  const source = join(store.root, "..", `logged-${++number}`);
  if (given.files) {
    mkdirSync(source);
    for (const [name, text] of Object.entries(given.files)) writeFileSync(join(source, name), text);
  } else writeFileSync(source, `bytes ${number}`);
  const { artifacts } = await log(store, {
    run,
    paths: [{ source, as: given.as }],
    particulars: {},
    metrics: [],
    params: [],
    tags: [],
    ...given,
  });
  return artifacts[0] as ArtifactRow;
}

/** A run that goes on: a file, a version of a name that was made from it, one path twice, a directory; marks came later. */
async function liveRun(test: TestStore): Promise<RunRow> {
  const earlier = await logTo(test, undefined, { particulars: { name: "data" } });
  writeDueManifests(test.store);
  const run = test.run({
    state: "running",
    name: "training",
    workspace: "work/runs/none",
    workspace_state: "removed",
    command: JSON.stringify(["train", "é\u2028"]),
  });
  const file = await logTo(test, run, { particulars: { params: { deep: [1, null] }, tags: [["k", "v"]] }, params: [["lr", "0.1"]] });
  const model = await logTo(test, run, {
    particulars: { name: "model", dependsOn: [{ artifact: file, role: "weights" }, { artifact: earlier }] },
  });
  await logTo(test, run, { as: "again", particulars: { name: "again" } });
  await logTo(test, run, { as: "again", particulars: { name: "again" } });
  await logTo(test, run, { files: Object.fromEntries(Array.from({ length: 40 }, (_, nth) => [`${nth}`, `member ${nth}`])) });
  setAlias(test.store, model, "best");
  pin(test.store, file, null);
  retag(test.store, { kind: "artifact", artifact: file }, [["later", "yes"]], ["k"]);
  return run;
}

async function again({ store }: TestStore): Promise<{ rebuilt: Rebuilt; store: Store }> {
  for (const name of DATABASE) rmSync(store.path(name), { force: true });
  const rebuilt = await rebuild(store.settings, { force: false, dryRun: false, now: store.now, check: () => undefined });
  return { rebuilt, store: openStore(store.settings, { make: false, now: store.now, say: () => undefined }) };
}

test("what was logged to a run that goes on is there after its database was lost, with its marks, and gc takes none of it", async () => {
  using test = await openTestStore();
  const run = await liveRun(test);
  const before = stableDump(test.store.path("coffer.db"));
  const { rebuilt, store } = await again(test);
  using _store = store;
  expect(rebuilt).toMatchObject({ notes: [], damage: [], orphans: [], unread: [], left: [{ id: run.id }] });
  const after = stableDump(store.path("coffer.db"));
  for (const table of ["runs", "artifacts", "artifact_tags", "edges", "aliases", "pins", "params", "blobs", "tree_members", "series"])
    expect([table, after[table]]).toEqual([table, before[table] as string[]]);
  const [ended] = await adoptLeft(store, [run.id]);
  writeDueManifests(store);
  expect(ended).toMatchObject({ id: run.id, state: "killed" });
  expect(store.db.query("SELECT count(*) AS n FROM artifacts WHERE state = 'live'").get()).toEqual({ n: 6 });
  const plan = planGc(store, PURGE_RULES);
  expect([...itemsOf(plan)]).toEqual([]);
  await sweep(store, plan, () => false);
  expect([(await verify(store, ALL)).damage, await checkManifests(store, ALL)]).toEqual([[], []]);
  // from here on its manifest tells, and the lines of the journal no longer
  const ofManifest = await again({ ...test, store });
  using rebuiltAgain = ofManifest.store;
  expect(ofManifest.rebuilt).toMatchObject({ notes: [], orphans: [], left: [] });
  expect(rebuiltAgain.db.query("SELECT count(*) AS n FROM artifacts").get()).toEqual({ n: 6 });
});

test("where the journal was damaged and written anew while a run goes on, a lost database is made again with all that was logged to it", async () => {
  using test = await openTestStore();
  const run = await liveRun(test);
  const { store } = test;
  const old = await logTo(test, run, { particulars: { name: "old" } });
  remove(store, { kind: "artifact", artifact: old });
  retag(store, { kind: "run", run }, [["of-run", "yes"]], []);
  const journal = store.path("manifests/journal.jsonl");
  const damaged = readFileSync(journal, "utf8").replace('"did":"alias"', '"did":"al"');
  writeFileSync(journal, damaged);
  const done = { repaired: [], aside: [], failed: [] };
  expect([repairManifests(store, await checkManifests(store, ALL), done), done.failed]).toEqual([[], []]);
  const before = stableDump(store.path("coffer.db"));
  // as it is, and as a crash leaves it before the old lines go
  for (const lines of [readFileSync(journal, "utf8"), damaged + readFileSync(journal, "utf8")]) {
    writeFileSync(journal, lines);
    const { rebuilt, store: rebuiltStore } = await again(test);
    using _store = rebuiltStore;
    expect(rebuilt).toMatchObject({ damage: [], orphans: [], unread: [], left: [{ id: run.id }] });
    const after = stableDump(rebuiltStore.path("coffer.db"));
    for (const table of ["runs", "artifacts", "artifact_tags", "tags", "edges", "aliases", "pins", "params", "blobs", "events"])
      expect([table, after[table]]).toEqual([table, before[table] as string[]]);
  }
});

test("where the line that told of the run is lost, what was logged is still there", async () => {
  using test = await openTestStore();
  const run = await liveRun(test);
  const journal = test.store.path("manifests/journal.jsonl");
  const [first, ...rest] = readFileSync(journal, "utf8").split("\n");
  expect(first).toContain('"about":');
  writeFileSync(journal, [`${(first as string).slice(0, -9)}`, ...rest].join("\n"));
  const { rebuilt, store } = await again(test);
  using _store = store;
  expect(rebuilt.left.map(({ id }) => id)).toEqual([run.id]);
  expect(rebuilt.notes).toContainEqual(expect.stringContaining("line 1 of journal.jsonl"));
  const rows = store.db.query<ArtifactRow, []>("SELECT * FROM artifacts WHERE name IN ('model', 'again')").all();
  expect(rows.length).toBe(3);
  for (const { blob } of rows)
    expect((await readChecked(store, blobs.bySeq(store.db, blob as number) as blobs.BlobRow)).toString()).toStartWith("bytes ");
});

test("an older database that was put back while a run logged stops gc, and verify says so", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logTo(test, undefined);
  const run = test.run({ state: "running" });
  writeDueManifests(store);
  store.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  copyFileSync(store.path("coffer.db"), store.path("../older.db"));
  await logTo(test, run);
  for (const name of DATABASE) rmSync(store.path(name), { force: true });
  copyFileSync(store.path("../older.db"), store.path("coffer.db"));
  using older = openStore(store.settings, { make: false, now: () => test.now + 24 * 3_600_000, say: () => undefined });
  const plan = planGc(older, { ...PURGE_RULES, orphans: true });
  expect(plan.stopped).toMatchObject([{ manifest: "manifests/journal.jsonl" }]);
  expect((await checkManifests(older, ALL)).map(({ detail }) => detail)).toEqual([
    expect.stringContaining("tells of what was logged to a run"),
  ]);
});
