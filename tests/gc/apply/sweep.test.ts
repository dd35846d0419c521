import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as aliases from "../../../src/db/records/aliases.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import * as events from "../../../src/db/records/events.ts";
import * as leases from "../../../src/db/bytes/leases.ts";
import * as outbox from "../../../src/db/delivery/outbox.ts";
import * as packs from "../../../src/db/bytes/packs.ts";
import * as pins from "../../../src/db/records/pins.ts";
import * as runs from "../../../src/db/records/runs.ts";
import { condemnBlobs, trash } from "../../../src/db/garbage/sweeping.ts";
import { self } from "../../../src/domain/process-identity.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { itemsOf, keptOf } from "../../../src/gc/plan/gc-plan.ts";
import type { GcItem, GcPlan, Kept } from "../../../src/gc/plan/gc-plan.ts";
import { PURGE_RULES, rulesFrom } from "../../../src/gc/plan/rules.ts";
import type { RuleFlags } from "../../../src/gc/plan/rules.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import type { Swept } from "../../../src/gc/apply/swept.ts";
import { planWorkspaces } from "../../../src/gc/plan/workspaces.ts";
import { readablePath } from "../../../src/store/cache/cache.ts";
import { readChecked, readTree } from "../../../src/store/read.ts";
import { takeLease } from "../../../src/store/lease.ts";
import type { Store } from "../../../src/store/store.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { DAY, HOUR, openTestStore } from "../../support/store.ts";
import { NO_RULES } from "../no-rules.ts";
import type { TestStore } from "../../support/store.ts";

type Shown = GcPlan & { readonly items: GcItem[]; readonly kept: Kept[] };

/** A plan, with its items and what it keeps as lists. */
function plan({ store }: TestStore, flags: Partial<RuleFlags> = {}): Shown {
  return shown(planGc(store, rulesFrom({ ...NO_RULES, ...flags }, store.settings.values.artifact_store.cleanup_policy)));
}

function shown(planned: GcPlan): Shown {
  const items = { get: () => [...itemsOf(planned)], enumerable: true };
  const kept = { get: () => [...keptOf(planned)], enumerable: true };
  return Object.defineProperties(planned, { items, kept }) as Shown;
}

/** With workspaces. */
async function planAll(test: TestStore, flags: Partial<RuleFlags> = {}): Promise<Shown> {
  const planned = plan(test, flags);
  await planWorkspaces(test.store, planned);
  return planned;
}

/** Plans and applies; the store must be whole after it. */
async function collect(test: TestStore, flags: Partial<RuleFlags> = {}): Promise<Swept> {
  const swept = await sweep(test.store, await planAll(test, flags), () => false);
  expect(swept.failed).toEqual([]);
  expect(await damage(test.store)).toEqual([]);
  expect(existsSync(test.store.path("tmp")) ? readdirSync(test.store.path("tmp")) : []).toEqual([]);
  return swept;
}

async function damage(store: Store) {
  return (await verify(store, { share: 1, random: Math.random })).damage;
}

const whats = (items: readonly { what: string }[]): string[] => items.map((item) => item.what).sort();
const deletedArtifacts = (swept: Swept): string[] => whats(swept.deleted.filter((one) => one.kind === "artifact"));
const filesOf = (store: Store): string[] =>
  (existsSync(store.path("binaries/default")) ? readdirSync(store.path("binaries/default"), { recursive: true, withFileTypes: true }) : [])
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
const blobOf = ({ store }: TestStore, artifact: ArtifactRow) => blobs.bySeq(store.db, artifact.blob as number);

function many(count: number, tag: string): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, `${tag} ${index} `.repeat(50)]));
}

describe("versions", () => {
  test("a store without rules keeps every version", async () => {
    using t = await openTestStore();
    for (let version = 0; version < 12; version++) await t.add({ name: "model", age: 900 * DAY });
    expect(plan(t)).toMatchObject({ items: [], kept: [], missing: [], totals: { items: 0, bytes: 0 } });
  });

  test("of 12 versions the oldest two go with their bytes, and leave tombstones", async () => {
    using t = await openTestStore({ "artifact_store.cleanup_policy.enabled": true });
    const made: ArtifactRow[] = [];
    for (let version = 1; version <= 12; version++) made.push(await t.add({ name: "model", bytes: `version ${version}` }));
    const planned = plan(t);
    expect(whats(planned.items)).toEqual(["model@v1", "model@v2"]);
    expect(planned.totals.bytes).toBe(2 * "version 1".length);
    const swept = await collect(t);
    expect(deletedArtifacts(swept)).toEqual(["model@v1", "model@v2"]);
    expect(swept.freed).toBe(18);
    expect(filesOf(t.store)).toHaveLength(10);
    expect(t.again(made[0] as ArtifactRow)).toMatchObject({ state: "deleted", blob: null, digest: made[0]?.digest, size: 9 });
    expect(artifacts.latestOfName(t.store.db, "model")?.version).toBe(12);
    expect(events.ofArtifact(t.store.db, made[0]?.seq as number)).toEqual([
      { at: t.now, kind: "deleted", message: "gc deleted model@v1: 11 newer versions (10 are kept)" },
    ]);
    expect(await Bun.file(t.store.path("manifests/journal.jsonl")).text()).toContain(`"did":"delete","artifact":"${made[0]?.uid}"`);
  });

  test("the same plan again has nothing left to do", async () => {
    using t = await openTestStore();
    for (let version = 1; version <= 3; version++) await t.add({ name: "model" });
    const planned = plan(t, { maxVersions: "1" });
    expect((await sweep(t.store, planned, () => false)).deleted).toHaveLength(4);
    expect(await sweep(t.store, planned, () => false)).toMatchObject({ deleted: [], stayed: [], failed: [], freed: 0 });
  });

  test("a version that is pinned, aliased, in use, not delivered, or that something was made from stays, and the plan says why", async () => {
    using t = await openTestStore();
    const made: ArtifactRow[] = [];
    for (let version = 1; version <= 7; version++) made.push(await t.add({ name: "model" }));
    const [pinned, aliased, leased, unsynced, needed] = made as [ArtifactRow, ArtifactRow, ArtifactRow, ArtifactRow, ArtifactRow];
    pins.set(t.store.db, pinned.seq, "the paper", t.now);
    aliases.set(t.store.db, "model", "best", aliased.seq, t.now);
    const lease = takeLease(t.store, "read");
    leases.holdBlob(t.store.db, lease.seq, leased.blob as number);
    const delivery = outbox.open(t.store.db, { run: unsynced.run, target: "http://mlflow", experiment: "Default", at: t.now });
    outbox.enqueueArtifact(t.store.db, delivery, unsynced.seq);
    await t.add({ dependsOn: [needed], path: "report" });
    const { items, kept } = plan(t, { maxVersions: "1" });
    expect(whats(items)).toEqual(["model@v6"]);
    expect(kept.map(({ what, because }) => `${what}: ${because}`).sort()).toEqual([
      "model@v1: it is pinned (the paper)",
      "model@v2: an alias points at it (best)",
      "model@v3: a process was given it, which holds for an hour at least",
      "model@v4: not delivered to http://mlflow yet",
      expect.stringMatching(/^model@v5: .+\/report was made from it$/),
    ]);
    expect(deletedArtifacts(await collectBeside(t, { maxVersions: "1" }))).toEqual(["model@v6"]);

    // what was not delivered can be given up, by word
    const forgetting = plan(t, { maxVersions: "1", forgetUnsynced: true });
    expect(whats(forgetting.items)).toEqual([expect.stringContaining("→ http://mlflow"), "model@v4"]);
    await collectBeside(t, { maxVersions: "1", forgetUnsynced: true });
    expect(t.again(unsynced).state).toBe("deleted");
    expect(outbox.deliveriesOf(t.store.db, unsynced.run)[0]?.state).toBe("forgotten");
  });

  test("something condemned protects nothing", async () => {
    using t = await openTestStore();
    const data = await t.add({ name: "data" });
    const model = await t.add({ name: "model", dependsOn: [data] });
    await t.add({ name: "data" });
    expect(plan(t, { maxVersions: "1" }).items).toEqual([]);
    await t.add({ name: "model" });
    await collect(t, { maxVersions: "1" });
    expect([t.again(data).state, t.again(model).state]).toEqual(["deleted", "deleted"]);
  });

  test("an artifact of a run that goes on stays", async () => {
    using t = await openTestStore();
    const run = t.run({ state: "running" });
    await t.add({ run, age: 100 * DAY });
    expect(plan(t, { maxAge: "90" })).toMatchObject({ items: [], kept: [{ because: "its run is still going" }] });
  });

  test("bytes that two versions share go with the second of them", async () => {
    using t = await openTestStore();
    for (const name of ["a", "b", "a", "b"]) await t.add({ name, bytes: name === "a" ? "common" : `own ${Math.random()}` });
    await t.add({ name: "a", bytes: "other" });
    const planned = plan(t, { maxVersions: "1" });
    const common = planned.items.filter((item) => item.what.startsWith("a@"));
    expect(common.map((item) => item.bytes)).toEqual([0, 0]);
    expect(planned.totals.bytes).toBe("common".length + (planned.items.find((item) => item.what === "b@v1")?.bytes as number));
    await collect(t, { maxVersions: "1" });
    expect(filesOf(t.store)).toHaveLength(2);
  });

  test("versions that different rules condemn go together", async () => {
    using t = await openTestStore();
    for (let version = 1; version <= 5; version++) await t.add({ name: "model", age: (10 - version) * DAY });
    const swept = await collect(t, { maxVersions: "3", maxAge: "1" });
    expect(deletedArtifacts(swept)).toEqual(["model@v1", "model@v2", "model@v3", "model@v4"]);
    expect(swept.stayed).toEqual([]);
  });

  test("what is pinned after the plan was made stays", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model" });
    const older = await t.add({ name: "data" });
    await t.add({ name: "model" });
    await t.add({ name: "data" });
    const planned = plan(t, { maxVersions: "1" });
    pins.set(t.store.db, old.seq, null, t.now);
    await t.add({ dependsOn: [older] });
    const swept = await sweep(t.store, planned, () => false);
    expect(swept.deleted).toEqual([]);
    expect(swept.stayed.sort((a, b) => a.what.localeCompare(b.what))).toEqual([
      { what: "data@v1", because: "something that stays was made from it" },
      { what: "model@v1", because: "it is pinned" },
    ]);
    expect(await damage(t.store)).toEqual([]);
  });

  test("the newest version by the time of the sweep stays", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model" });
    const young = await t.add({ name: "model" });
    const planned = plan(t, { maxVersions: "1" });
    artifacts.setState(t.store.db, young.seq, "removed", t.now);
    expect((await sweep(t.store, planned, () => false)).stayed).toEqual([
      { what: "model@v1", because: "newer versions of its name are gone meanwhile" },
    ]);
    expect(t.again(old).state).toBe("live");
  });
});

describe("out of sight", () => {
  test("what rm took away goes after the grace, not before", async () => {
    using t = await openTestStore();
    const gone = await t.add({ name: "model" });
    artifacts.setState(t.store.db, gone.seq, "removed", t.now);
    expect(plan(t).items).toEqual([]);
    t.now += HOUR;
    expect(deletedArtifacts(await collect(t))).toEqual(["model@v1"]);
    expect(filesOf(t.store)).toEqual([]);
  });

  test("a failed run's artifacts go, but for bytes that others use and what was logged and stays", async () => {
    using t = await openTestStore();
    const earlier = await t.add({ name: "model", bytes: "the same bytes" });
    const run = t.run({ state: "failed" });
    const own = await t.add({ run, path: "own" });
    const shared = await t.add({ run, path: "shared", bytes: "the same bytes" });
    const logged = await t.add({ run, path: "checkpoint" });
    for (const artifact of [own, shared]) artifacts.setState(t.store.db, artifact.seq, "withdrawn", t.now);
    expect(plan(t, { failedRuns: true }).items).toEqual([]);
    const swept = await collect(t, { failedRuns: true, grace: "0" });
    expect(deletedArtifacts(swept)).toEqual(whats([{ what: own.id }, { what: shared.id }]));
    expect(filesOf(t.store)).toHaveLength(2);
    expect([t.again(earlier).state, t.again(logged).state]).toEqual(["live", "live"]);
  });
});

describe("directories and packs", () => {
  test("a directory's files go with it, but for those of another directory", async () => {
    using t = await openTestStore();
    await t.add({ name: "data", files: { a: "only in the first", common: "in both" } });
    const second = await t.add({ name: "data", files: { b: "only in the second", common: "in both" } });
    expect(filesOf(t.store)).toHaveLength(5);
    await collect(t, { maxVersions: "1" });
    expect(filesOf(t.store)).toHaveLength(3);
    expect((await readTree(t.store, second.blob as number)).map((entry) => entry.path)).toEqual(["b", "common"]);
  });

  test("a pack goes with its last member", async () => {
    using t = await openTestStore();
    await t.add({ name: "data", files: many(40, "first") });
    await t.add({ name: "data", files: many(40, "second") });
    expect(filesOf(t.store)).toHaveLength(2);
    const planned = plan(t, { maxVersions: "1" });
    expect(planned.totals.bytes_after_repacking).toBe(0);
    const swept = await collect(t, { maxVersions: "1" });
    expect(swept.deleted.filter((one) => one.kind === "pack")).toHaveLength(1);
    expect(filesOf(t.store)).toHaveLength(1);
  });

  test("a pack that is more than half dead is written anew, with every living byte", async () => {
    using t = await openTestStore();
    const first = many(40, "data");
    await t.add({ name: "data", files: first });
    const kept = Object.fromEntries(Object.entries(first).slice(0, 10));
    const second = await t.add({ name: "data", files: kept });
    const before = packs.all(t.store.db);
    const planned = plan(t, { maxVersions: "1" });
    expect(planned.repack).toMatchObject([{ path: before[0]?.path, bytes: before[0]?.size }]);
    expect(planned.totals).toMatchObject({ bytes: 0 });
    expect(planned.totals.bytes_after_repacking).toBeGreaterThan(30 * 300);
    const swept = await collect(t, { maxVersions: "1" });
    const after = packs.all(t.store.db);
    expect(after).toHaveLength(1);
    expect(after[0]?.id).not.toBe(before[0]?.id as string);
    expect(swept.repacked).toMatchObject([{ from: before[0]?.path, to: after[0]?.path, after: after[0]?.size }]);
    expect(swept.freed).toBe((before[0]?.size as number) - (after[0]?.size as number));
    for (const entry of await readTree(t.store, second.blob as number)) {
      if (entry.kind !== "file") throw new Error(entry.kind);
      const row = blobs.byDigest(t.store.db, { algorithm: "blake3", hex: entry.hex });
      expect((await readChecked(t.store, row as blobs.BlobRow)).toString()).toBe(kept[entry.path] as string);
    }
  });

  test("members that lie between those that go keep their bytes, of whatever size they are", async () => {
    using t = await openTestStore();
    const sizes = [0, 1, 300, 511, 512, 513, 4000];
    const all = Object.fromEntries(Array.from({ length: 70 }, (_, nth) => [`f${nth}`, `${nth} `.padEnd(sizes[nth % 7] as number, ".")]));
    await t.add({ name: "data", files: all });
    const kept = Object.fromEntries(Object.entries(all).filter((_, nth) => nth % 8 < 2));
    const second = await t.add({ name: "data", files: kept });
    expect((await collect(t, { maxVersions: "1" })).repacked).toHaveLength(1);
    for (const entry of await readTree(t.store, second.blob as number)) {
      if (entry.kind !== "file") throw new Error(entry.kind);
      const row = blobs.byDigest(t.store.db, { algorithm: "blake3", hex: entry.hex });
      expect((await readChecked(t.store, row as blobs.BlobRow)).toString()).toBe(kept[entry.path] as string);
    }
  });

  test("a pack with a damaged member stays as it is, and says so", async () => {
    using t = await openTestStore();
    const files = many(40, "data");
    await t.add({ name: "data", files });
    const young = await t.add({ name: "data", files: { f0: files["f0"] as string } });
    const [pack] = packs.all(t.store.db) as [packs.PackRow];
    const { member } = t.store.db.query("SELECT member FROM tree_members WHERE tree = ?").get(young.blob as number) as { member: number };
    const offset = blobs.bySeq(t.store.db, member)?.offset as number;
    const bytes = new Uint8Array(await Bun.file(t.store.path(pack.path)).arrayBuffer());
    bytes[offset] = (bytes[offset] as number) ^ 1;
    rmSync(t.store.path(pack.path));
    writeFileSync(t.store.path(pack.path), bytes);
    const swept = await sweep(t.store, plan(t, { maxVersions: "1" }), () => false);
    expect(swept.failed).toEqual([{ what: pack.path, error: expect.stringContaining("is damaged, so the pack stays as it is") }]);
    expect(packs.all(t.store.db)).toEqual([pack]);
  });

  test("a pack that a live process reads from is left for another time", async () => {
    using t = await openTestStore();
    const files = many(40, "data");
    await t.add({ name: "data", files });
    const young = await t.add({ name: "data", files: { f0: files["f0"] as string } });
    const lease = takeLease(t.store, "read");
    leases.holdBlob(t.store.db, lease.seq, young.blob as number);
    const swept = await sweep(t.store, plan(t, { maxVersions: "1" }), () => false);
    expect(swept.repacked).toEqual([]);
    expect(swept.stayed).toMatchObject([{ because: expect.stringContaining("a live process reads from it") }]);
    expect(await damage(t.store)).toEqual([]);
  });
});

describe("files", () => {
  test("a file that no row names goes once it is older than the grace", async () => {
    using t = await openTestStore();
    await t.add();
    const stray = t.store.path("binaries/default/model_-_0123456789ab.bin");
    writeFileSync(stray, "stray");
    // a moved-in file keeps its old mtime
    utimesSync(stray, 1, 1);
    expect(plan(t)).toMatchObject({ items: [], kept: [{ what: "binaries/default/model_-_0123456789ab.bin" }] });
    t.now += 2 * HOUR;
    expect(plan(t).items).toMatchObject([{ kind: "file", rule: "orphans", what: "binaries/default/model_-_0123456789ab.bin", bytes: 5 }]);
    expect(await collect(t)).toMatchObject({ freed: 5, deleted: [{ kind: "file" }] });
    expect(existsSync(stray)).toBe(false);
    expect(filesOf(t.store)).toHaveLength(1);
  });

  test("without a grace it goes at once, but not beside a live process that may have made it", async () => {
    using t = await openTestStore();
    const stray = t.store.path("binaries/stray");
    mkdirSync(t.store.path("binaries"));
    const lease = takeLease(t.store, "ingest");
    writeFileSync(stray, "stray");
    t.now = Date.now() + 1;
    expect(plan(t, { grace: "0" })).toMatchObject({ items: [], kept: [{ because: expect.stringContaining("a live process") }] });
    t.store.transaction(() => leases.remove(t.store.db, lease));
    await collect(t, { grace: "0" });
    expect(existsSync(stray)).toBe(false);
  });

  test("a manifest of a run that the database does not know keeps all files that no row names", async () => {
    using t = await openTestStore();
    mkdirSync(t.store.path("binaries"));
    mkdirSync(t.store.path("manifests"), { recursive: true });
    writeFileSync(t.store.path("binaries/stray"), "stray");
    writeFileSync(t.store.path("manifests/0199aaaa-0000-7000-8000-000000000000.yaml"), "half a manif");
    t.now += 2 * HOUR;
    expect(plan(t)).toMatchObject({
      items: [],
      kept: [{ what: "binaries/stray", because: "gc is stopped" }],
      stopped: [{ because: expect.stringContaining("tells of a run that the database does not know") }],
    });
  });

  test("while a file that a row names is gone no stray is taken: it may have the same bytes", async () => {
    using t = await openTestStore();
    const lost = await t.add({ name: "lost", files: many(40, "lost"), dataset: "corn" });
    await t.add({ name: "other", dataset: "wheat" });
    writeFileSync(t.store.path("binaries/wheat/stray"), "stray");
    // as an older database has it, where the pack was written anew after the backup
    const [pack] = packs.all(t.store.db) as [packs.PackRow];
    const anew = pack.path.replace(pack.id, Bun.randomUUIDv7());
    renameSync(t.store.path(pack.path), t.store.path(anew));
    t.now += 2 * HOUR;
    const because = expect.stringContaining(`is gone (${pack.path}), and this may have its bytes`);
    for (const scope of [undefined, { dataset: "wheat", part: "orphans" }, { dataset: "wheat", part: "purge" }] as const) {
      const { others, keptOthers } = planGc(t.store, { ...PURGE_RULES, grace: HOUR }, scope);
      const kept = scope ? ["binaries/wheat/stray"] : [anew, "binaries/wheat/stray"];
      expect([others, keptOthers]).toEqual([[], kept.map((what) => ({ rule: "orphans", what, because }))]);
    }
    renameSync(t.store.path(anew), t.store.path(pack.path));
    expect(whats((await collect(t)).deleted)).toEqual(["binaries/wheat/stray"]);
    expect(lost.files).toBe(40);
  });

  test("a file that a foreign row names is never taken, wherever the store was when that was written", async () => {
    using t = await openTestStore();
    await t.add();
    for (const name of ["n.joblib", "other"]) writeFileSync(t.store.path("binaries/default", name), name);
    t.store.db.run(
      "INSERT INTO blobs (sha256, size, state, dataset, place, path, created_at) VALUES (zeroblob(32), 1, 'unverified', 'default', 'foreign', '/was/binaries/of/binaries/default/n.joblib', 0)",
    );
    t.now += 2 * HOUR;
    expect(plan(t)).toMatchObject({
      kept: [{ what: "binaries/default/n.joblib", because: expect.stringContaining("an import left it here") }],
    });
    expect((await collect(t)).deleted).toMatchObject([{ kind: "blob" }, { what: "binaries/default/other" }]);
    expect(existsSync(t.store.path("binaries/default/n.joblib"))).toBe(true);
  });

  test("another store that lies below is left alone, and said", async () => {
    using t = await openTestStore();
    await t.add();
    mkdirSync(t.store.path("binaries/inner/binaries/default"), { recursive: true });
    for (const name of ["coffer.db", "binaries/default/f"]) writeFileSync(t.store.path("binaries/inner", name), "");
    t.now += 2 * HOUR;
    expect(plan(t, { grace: "0" })).toMatchObject({
      items: [],
      kept: [{ what: "binaries/inner", because: expect.stringContaining("another store") }],
    });
  });

  test("orphans: false leaves files alone", async () => {
    using t = await openTestStore({ "artifact_store.cleanup_policy.orphans": false });
    mkdirSync(t.store.path("binaries"));
    writeFileSync(t.store.path("binaries/stray"), "stray");
    t.now += 2 * HOUR;
    expect(plan(t)).toMatchObject({ items: [], kept: [] });
    expect(plan(t, { orphans: true }).items).toHaveLength(1);
  });

  test("a stray that changed after the plan was made stays", async () => {
    using t = await openTestStore();
    mkdirSync(t.store.path("binaries"));
    writeFileSync(t.store.path("binaries/stray"), "stray");
    t.now += 2 * HOUR;
    const planned = plan(t);
    rmSync(t.store.path("binaries/stray"));
    await Bun.sleep(20);
    writeFileSync(t.store.path("binaries/stray"), "something new");
    expect((await sweep(t.store, planned, () => false)).stayed).toEqual([{ what: "binaries/stray", because: "it is another file now" }]);
  });

  test("a row whose file is gone is reported, and deleting it counts as done", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model" });
    await t.add({ name: "model" });
    rmSync(t.store.path(blobOf(t, old)?.path as string));
    expect(plan(t).missing).toEqual([{ digest: old.digest, path: blobOf(t, old)?.path as string, bytes: old.size }]);
    expect(await collect(t, { maxVersions: "1" })).toMatchObject({ freed: 0, failed: [] });
    expect(plan(t).missing).toEqual([]);
  });

  test("what dead processes staged goes, what live ones stage stays", async () => {
    using t = await openTestStore();
    const dead = leases.insert(t.store.db, {
      token: "dead",
      kind: "ingest",
      run: null,
      wrapper: JSON.stringify({ ...self(), start: "1" }),
      taken_at: t.now,
      until: null,
    });
    const live = takeLease(t.store, "ingest");
    for (const name of ["dead", live.token, "nobody"]) {
      mkdirSync(t.store.path("tmp", name), { recursive: true });
      writeFileSync(t.store.path("tmp", name, "blob-0"), "staged");
    }
    expect(whats(plan(t).items)).toEqual(["tmp/dead"]);
    t.now += 2 * HOUR;
    const planned = plan(t);
    expect(planned.items.map(({ what, bytes }) => [what, bytes])).toEqual(
      expect.arrayContaining([
        ["tmp/dead", 6],
        ["tmp/nobody", 6],
      ]),
    );
    await sweep(t.store, planned, () => false);
    expect(readdirSync(t.store.path("tmp"))).toEqual([live.token]);
    expect(leases.all(t.store.db).some((lease) => lease.seq === dead)).toBe(false);
  });

  test("a blob's file that could not be deleted is listed, and the next sweep takes it", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model" });
    await t.add({ name: "model" });
    const path = t.store.path(blobOf(t, old)?.path as string);
    rmSync(path);
    mkdirSync(path);
    const swept = await sweep(t.store, plan(t, { maxVersions: "1" }), () => false);
    expect(swept.failed).toMatchObject([{ error: "something that is no file lies there" }]);
    rmSync(path, { recursive: true });
    expect(plan(t).items).toMatchObject([{ kind: "blob", rule: "unnamed", why: "its removal was interrupted" }]);
    expect((await collect(t)).deleted).toMatchObject([{ kind: "blob" }]);
  });
});

describe("workspaces", () => {
  async function workspaceOf(t: TestStore, given: Parameters<TestStore["run"]>[0] = {}): Promise<{ path: string; run: runs.RunRow }> {
    const id = Bun.randomUUIDv7();
    const path = join(t.store.settings.roots.workspace, "runs", id);
    mkdirSync(join(path, "deep"), { recursive: true });
    writeFileSync(join(path, "deep/out"), "output");
    const run = t.run({ id, workspace: t.store.keep(path), workspace_state: "present", ended_at: Date.now() + 10, ...given });
    await t.add({ run, path: "deep", files: { out: "output" } });
    return { path, run };
  }

  test("one of a finished run goes when it is asked for, and the run says so", async () => {
    using t = await openTestStore();
    const { path, run } = await workspaceOf(t);
    t.now += 2 * HOUR;
    expect((await planAll(t)).items).toEqual([]);
    expect(await collect(t, { workspaces: true })).toMatchObject({ freed: 6, deleted: [{ kind: "workspace", what: path, bytes: 6 }] });
    expect(existsSync(path)).toBe(false);
    expect(runs.bySeq(t.store.db, run.seq)?.workspace_state).toBe("removed");
  });

  test("one goes by itself after workspaces_days", async () => {
    using t = await openTestStore({ "artifact_store.cleanup_policy.enabled": true, "artifact_store.cleanup_policy.workspaces_days": 3 });
    const { path } = await workspaceOf(t);
    t.now += 2 * DAY;
    expect((await planAll(t)).items).toEqual([]);
    t.now += 2 * DAY;
    expect(whats((await planAll(t)).items)).toEqual([path]);
  });

  test("a failed or live run, one that was not stored whole, and one with later changes keep theirs", async () => {
    using t = await openTestStore();
    await workspaceOf(t, { state: "failed" });
    const live = await workspaceOf(t);
    const lease = takeLease(t.store, "ingest", { run: live.run.seq });
    const partial = await workspaceOf(t);
    events.record(t.store.db, { at: t.now, run: partial.run.seq, kind: "not-stored", message: "unreadable" });
    const edited = await workspaceOf(t);
    writeFileSync(join(edited.path, "deep/out"), "OUTPUT");
    utimesSync(join(edited.path, "deep/out"), Date.now() / 1000 + 60, Date.now() / 1000 + 60);
    t.now += 2 * HOUR;
    const planned = await planAll(t, { workspaces: true });
    expect(planned.items).toEqual([]);
    expect(planned.kept.map(({ what, because }) => [what, because])).toEqual([
      [live.path, "a live process uses its run"],
      [partial.path, "something in it could not be stored"],
      [edited.path, "deep/out came or changed after the run had ended: it may be stored nowhere"],
    ]);
    t.store.transaction(() => leases.remove(t.store.db, lease));
  });

  test("what changes between plan and deletion is seen: the workspace stays", async () => {
    using t = await openTestStore();
    const { path } = await workspaceOf(t);
    t.now += 2 * HOUR;
    const planned = await planAll(t, { workspaces: true });
    expect(whats(planned.items)).toEqual([path]);
    writeFileSync(join(path, "late"), "late");
    utimesSync(join(path, "late"), 0, 0);
    const swept = await sweep(t.store, planned, () => false);
    expect(swept).toMatchObject({ deleted: [], freed: 0, stayed: [{ what: path, because: expect.stringContaining("late") }] });
    expect(readdirSync(path).toSorted()).toEqual(["deep", "late"]);
  });

  test("a directory that is no run's workspace is never removed", async () => {
    using t = await openTestStore();
    const elsewhere = join(t.store.root, "elsewhere");
    mkdirSync(elsewhere);
    t.run({ workspace: elsewhere, workspace_state: "present" });
    t.now += 2 * HOUR;
    expect(await planAll(t, { workspaces: true })).toMatchObject({
      items: [],
      kept: [{ because: "it is not a directory that coffer made for this run" }],
    });
  });
});

describe("room", () => {
  test("what was used longest ago goes until the rest fits", async () => {
    using t = await openTestStore();
    const bytes = (letter: string): string => letter.repeat(100);
    const a = await t.add({ bytes: bytes("a"), age: 5 * DAY });
    const b = await t.add({ bytes: bytes("b"), age: 4 * DAY });
    const c = await t.add({ bytes: bytes("c"), age: 3 * DAY });
    blobs.touch(t.store.db, [a.blob as number], t.now);
    const planned = plan(t, { maxSize: "150" });
    expect(planned.items.map((item) => [item.what, item.bytes])).toEqual([
      [b.id, 100],
      [c.id, 100],
    ]);
    expect(planned.limit).toEqual({ bytes: 150, stored: 300, after: 100, met: true });
    await collect(t, { maxSize: "150" });
    expect([a, b, c].map((artifact) => t.again(artifact).state)).toEqual(["live", "deleted", "deleted"]);
  });

  test("what is protected may be larger, and then the limit is not met", async () => {
    using t = await openTestStore();
    const needed = await t.add({ bytes: "n".repeat(100) });
    await t.add({ name: "model", bytes: "m".repeat(100), dependsOn: [needed] });
    const loose = await t.add({ bytes: "l".repeat(100) });
    const planned = plan(t, { maxSize: "50" });
    expect(whats(planned.items)).toEqual([loose.id]);
    expect(planned.limit).toEqual({ bytes: 50, stored: 300, after: 200, met: false });
  });

  test("a copy of what stays anyway is not deleted for the sake of room", async () => {
    using t = await openTestStore();
    await t.add({ bytes: "same".repeat(25), age: DAY });
    await t.add({ name: "model", bytes: "same".repeat(25) });
    expect(plan(t, { maxSize: "50" })).toMatchObject({ items: [], limit: { met: false } });
  });
});

describe("ingest and sweep on the same bytes", () => {
  test("a condemned blob that is logged again is live, and the sweep leaves it", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model", bytes: "wanted" });
    await t.add({ name: "model" });
    const planned = plan(t, { maxVersions: "1" });
    const blob = old.blob as number;
    let turns = 0;
    const swept = await sweep(t.store, planned, () => {
      // after the tombstones, before the blobs
      if (++turns === 2) {
        expect(blobs.bySeq(t.store.db, blob)?.state).toBe("condemned");
        t.store.transaction(() => blobs.revive(t.store.db, blob));
        t.store.db.query("UPDATE artifacts SET blob = ? WHERE seq = (SELECT max(seq) FROM artifacts)").run(blob);
      }
      return false;
    });
    expect(swept.stayed).toEqual([{ what: expect.stringContaining(`(${old.digest})`), because: "it is wanted again" }]);
    expect(blobs.bySeq(t.store.db, blob)?.state).toBe("live");
    expect((await readChecked(t.store, blobs.bySeq(t.store.db, blob) as blobs.BlobRow)).toString()).toBe("wanted");
  });

  test("bytes that are logged while their blob is trashed lie at a new place, and the old one goes", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model", bytes: "wanted" });
    await t.add({ name: "model" });
    const before = blobOf(t, old)?.path as string;
    // a sweep that died between its second and its third transaction
    artifacts.entomb(t.store.db, old.seq, t.now);
    t.store.db.query("UPDATE blobs SET state = 'trashed', condemned_at = ? WHERE seq = ?").run(t.now, old.blob as number);
    const again = await t.add({ name: "model", bytes: "wanted" });
    expect(again.blob).toBe(old.blob);
    const after = blobOf(t, again)?.path as string;
    expect(after).not.toBe(before);
    t.now += 2 * HOUR;
    expect(whats(plan(t).items)).toEqual([before]);
    await collect(t);
    expect(await Bun.file(t.store.path(after)).text()).toBe("wanted");
  });

  test("the file of an ingest that has no row yet is not taken for the trashed blob's own", async () => {
    using t = await openTestStore();
    const old = await t.add({ name: "model", bytes: "wanted" });
    const path = t.store.path(blobOf(t, old)?.path as string);
    artifacts.entomb(t.store.db, old.seq, t.now);
    t.store.db.query("UPDATE blobs SET state = 'trashed', condemned_at = ? WHERE seq = ?").run(Date.now(), old.blob as number);
    rmSync(path);
    await Bun.sleep(50);
    writeFileSync(path, "wanted");
    expect(await sweep(t.store, plan(t), () => false)).toMatchObject({ failed: [], freed: 0 });
    expect(existsSync(path)).toBe(true);
    expect(blobs.bySeq(t.store.db, old.blob as number)).toBeNull();
  });
});

test("a sweep that is stopped leaves the rest to the next one", async () => {
  using t = await openTestStore();
  for (let version = 0; version < 5; version++) await t.add({ name: "model" });
  let asked = 0;
  const stopped = await sweep(t.store, plan(t, { maxVersions: "1" }), () => ++asked > 1);
  expect(stopped).toMatchObject({ interrupted: true, freed: 0 });
  expect(deletedArtifacts(stopped)).toHaveLength(4);
  expect(await damage(t.store)).toEqual([]);
  expect(plan(t).items.map((item) => item.why)).toEqual(Array<string>(4).fill("no artifact names it"));
  await collect(t);
  expect(filesOf(t.store)).toHaveLength(1);
});

test("a sweep that is stopped while it writes a pack anew leaves the old one as it is", async () => {
  using t = await openTestStore();
  const files = many(40, "data");
  await t.add({ name: "data", files });
  await t.add({ name: "data", files: { f0: files["f0"] as string } });
  const before = packs.all(t.store.db);
  const isWriting = (): boolean => readdirSync(t.store.path("tmp"), { recursive: true }).some((path) => String(path).includes("pack-"));
  expect(await sweep(t.store, plan(t, { maxVersions: "1" }), isWriting)).toMatchObject({ interrupted: true, repacked: [], failed: [] });
  expect([packs.all(t.store.db), readdirSync(t.store.path("tmp")), await damage(t.store)]).toEqual([before, [], []]);
  expect((await collect(t)).repacked).toHaveLength(1);
});

test("bytes that an import left where they are stay there", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model" });
  await t.add({ name: "model" });
  const elsewhere = join(t.store.root, "elsewhere.bin");
  renameSync(t.store.path(blobOf(t, old)?.path as string), elsewhere);
  t.store.db.query("UPDATE blobs SET place = 'foreign', state = 'unverified', path = ? WHERE seq = ?").run(elsewhere, old.blob as number);
  expect(plan(t, { maxVersions: "1" })).toMatchObject({ items: [], kept: [{ because: "its bytes were imported and never read" }] });
  artifacts.setState(t.store.db, old.seq, "removed", t.now - 2 * HOUR);
  expect(plan(t)).toMatchObject({ items: [{ what: "model@v1", bytes: 0 }] });
  await sweep(t.store, plan(t), () => false);
  expect(blobs.bySeq(t.store.db, old.blob as number)).toBeNull();
  expect(existsSync(elsewhere)).toBe(true);
});

test("what was condemned and is named again is what it was: bytes that nobody read are still unverified", async () => {
  using t = await openTestStore();
  const { db } = t.store;
  const name = await t.add();
  const foreign = db.run(
    "INSERT INTO blobs (sha256, size, state, dataset, place, path, created_at) VALUES (zeroblob(32), 1, 'unverified', 'default', 'foreign', '/elsewhere', 0)",
  ).lastInsertRowid as number;
  for (const blob of [foreign, name.blob as number]) {
    db.query("UPDATE artifacts SET blob = ? WHERE seq = ?").run(blob === foreign ? name.blob : foreign, name.seq);
    expect(condemnBlobs(db, [blob], t.now)).toEqual([blob]);
    db.query("UPDATE artifacts SET blob = ? WHERE seq = ?").run(blob, name.seq);
    trash(db, [blob]);
  }
  expect([foreign, name.blob as number].map((blob) => blobs.bySeq(db, blob)?.state)).toEqual(["unverified", "live"]);
});

test("directories of very many files go one after the other, and what lay in several of them goes once", async () => {
  using t = await openTestStore();
  const { db } = t.store;
  const trees = [await t.add({ name: "one", files: { a: "1" } }), await t.add({ name: "two", files: { b: "2" } })];
  const kept = await t.add({ name: "kept", files: { c: "3" } });
  const last = (db.query("SELECT max(seq) AS last FROM blobs").get() as { last: number }).last;
  const numbers = `WITH RECURSIVE n (n) AS (SELECT ${last} + 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${last} + 30000)`;
  db.run(
    `${numbers} INSERT INTO blobs (seq, blake3, size, state, dataset, place, path, mtime_ns, created_at) SELECT n, randomblob(32), 1, 'live', 'default', 'foreign', '/elsewhere/' || n, 1, 1 FROM n`,
  );
  for (const { blob } of trees) db.run(`${numbers} INSERT INTO tree_members SELECT ${blob}, n FROM n`);
  db.run(`INSERT INTO tree_members VALUES (${kept.blob}, ${last + 7})`);
  for (const { seq } of trees) artifacts.setState(db, seq, "removed", 0);
  const seen: number[] = [];
  const count = (): number => (db.query("SELECT count(*) AS n FROM tree_members").get() as { n: number }).n;
  const swept = await sweep(t.store, plan(t), () => {
    if (seen.at(-1) !== count()) seen.push(count());
    return false;
  });
  expect(seen).toEqual([60_004, 30_003, 2]);
  expect(swept.deleted.filter(({ kind }) => kind === "blob").length).toBe(30_000 - 1 + 4);
  expect(db.query("SELECT count(*) AS n FROM blobs WHERE path LIKE '/elsewhere/%'").get()).toEqual({ n: 1 });
});

test("readers' copies of dead bytes go too, but for one that a reader holds", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "data", files: { a: "one" } });
  await t.add({ name: "data", files: { b: "two" } });
  const lease = takeLease(t.store, "read");
  const content = { kind: "tree", blob: old.blob as number, size: old.size, mode: old.mode } as const;
  const [copy, held] = [
    await readablePath(t.store, { ...content, name: "copy" }, lease.seq),
    await readablePath(t.store, { ...content, name: "held" }, lease.seq),
  ];
  t.store.db.query("DELETE FROM lease_blobs").run();
  t.store.db.query("DELETE FROM lease_entries WHERE cache_path LIKE '%copy'").run();
  const swept = await collectBeside(t, { maxVersions: "1" });
  expect(swept.deleted).toContainEqual({ kind: "cache", what: t.store.keep(copy), why: "a copy of what went", bytes: 3, planned: false });
  expect([existsSync(copy), existsSync(held)]).toEqual([false, true]);
});

/** Like `collect`, beside a lease that lives. */
async function collectBeside(t: TestStore, flags: Partial<RuleFlags>): Promise<Swept> {
  const swept = await sweep(t.store, plan(t, flags), () => false);
  expect(swept.failed).toEqual([]);
  expect(await damage(t.store)).toEqual([]);
  return swept;
}
