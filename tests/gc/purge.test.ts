import { expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, lstatSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import * as leases from "../../src/db/bytes/leases.ts";
import * as packs from "../../src/db/bytes/packs.ts";
import * as pins from "../../src/db/records/pins.ts";
import { requireDataset } from "../../src/gc/dataset.ts";
import { itemsOf, keptOf } from "../../src/gc/plan/gc-plan.ts";
import type { GcPlan } from "../../src/gc/plan/gc-plan.ts";
import { countOrphans } from "../../src/gc/plan/orphans.ts";
import { planGc } from "../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../src/gc/plan/rules.ts";
import { sweep } from "../../src/gc/apply/sweep.ts";
import type { Swept } from "../../src/gc/apply/swept.ts";
import { checkedFile, readChecked, readTree } from "../../src/store/read.ts";
import { dropLease, takeLease } from "../../src/store/lease.ts";
import { sameStamp } from "../../src/store/bytes/stamp.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { HOUR, openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const planPurge = ({ store }: TestStore, dataset = "corn"): GcPlan => planGc(store, PURGE_RULES, { dataset, part: "purge" });

async function purge(t: TestStore, dataset = "corn"): Promise<Swept> {
  const swept = await sweep(t.store, planPurge(t, dataset), () => false);
  expect(swept.failed).toEqual([]);
  expect((await verify(t.store, { share: 1, random: Math.random })).damage).toEqual([]);
  return swept;
}

function filesOf({ store }: TestStore, dataset: string): string[] {
  const directory = store.path("binaries", dataset);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
}

const whats = (items: Iterable<{ what: string }>): string[] => [...items].map(({ what }) => what).toSorted();
const blobOf = ({ store }: TestStore, { blob }: ArtifactRow) => blobs.bySeq(store.db, blob as number) as blobs.BlobRow;

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, `${index} `.repeat(50)]));
}

test("a purge takes all of a dataset, newest versions too, and every stray of its directory, and nothing of another", async () => {
  using t = await openTestStore();
  const corn = [
    await t.add({ name: "model", dataset: "corn" }),
    await t.add({ dataset: "corn" }),
    await t.add({ dataset: "corn", files: many(40) }),
  ];
  const removed = await t.add({ dataset: "corn" });
  artifacts.setState(t.store.db, removed.seq, "removed", t.now);
  const wheat = await t.add({ name: "model", dataset: "wheat" });
  const none = await t.add({ name: "data" });
  for (const dataset of ["corn", "wheat"]) writeFileSync(t.store.path("binaries", dataset, "stray"), "stray");
  t.now += HOUR;
  const swept = await purge(t);
  expect(whats(swept.deleted.filter(({ kind }) => kind === "file"))).toEqual(["binaries/corn/stray"]);
  expect([...corn, removed].map((row) => t.again(row).state)).toEqual(["deleted", "deleted", "deleted", "deleted"]);
  expect([wheat, none].map((row) => t.again(row).state)).toEqual(["live", "live"]);
  expect([filesOf(t, "corn"), filesOf(t, "wheat").length, filesOf(t, "default").length]).toEqual([[], 2, 1]);
});

test("what is pinned, in use, or was used for what stays is kept and named", async () => {
  using t = await openTestStore();
  const pinned = await t.add({ name: "pinned", dataset: "corn" });
  const read = await t.add({ name: "read", dataset: "corn" });
  const origin = await t.add({ name: "origin", dataset: "corn" });
  const between = await t.add({ name: "between", dataset: "corn", dependsOn: [origin] });
  await t.add({ name: "report", dataset: "wheat", dependsOn: [between] });
  await t.add({ name: "gone", dataset: "corn" });
  pins.set(t.store.db, pinned.seq, null, t.now);
  leases.holdBlob(t.store.db, takeLease(t.store, "read").seq, read.blob as number);
  const plan = planPurge(t);
  expect(whats(itemsOf(plan))).toEqual(["gone@v1"]);
  expect([...keptOf(plan)].map(({ what, because }) => `${what}: ${because}`).toSorted()).toEqual([
    "between@v1: report@v1 was made from it",
    "origin@v1: between@v1 was made from it",
    "pinned@v1: it is pinned",
    "read@v1: a process was given it, which holds for an hour at least",
  ]);
});

test("a file that another dataset uses too gets a name there, and the old one goes", async () => {
  using t = await openTestStore();
  await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  expect(blobOf(t, other).path).toStartWith("binaries/corn/");
  expect(planPurge(t).rehouse).toEqual([{ what: other.digest, from: blobOf(t, other).path as string, dataset: "wheat", bytes: 7 }]);
  const swept = await purge(t);
  const row = blobOf(t, other);
  expect([row.dataset, row.path, filesOf(t, "corn"), swept.freed]).toEqual([
    "wheat",
    expect.stringMatching(/^binaries\/wheat\/file_-_[0-9a-f]{12}$/),
    [],
    0,
  ]);
  expect(await Bun.file(await checkedFile(t.store, row)).text()).toBe("of both");
  expect(swept.rehoused).toHaveLength(1);
});

test("a name that is taken there is not shared", async () => {
  using t = await openTestStore();
  await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  await t.add({ dataset: "wheat" });
  const planted = t.store.path((blobOf(t, other).path as string).replace("corn", "wheat"));
  writeFileSync(planted, "planted");
  await purge(t);
  expect(blobOf(t, other).path).toMatch(/_[0-9a-f]{16}$/);
  expect(await Bun.file(await checkedFile(t.store, blobOf(t, other))).text()).toBe("of both");
  expect(await Bun.file(planted).text()).toBe("planted");
});

test("what somebody reads just now stays where it is, and moves with the next purge", async () => {
  using t = await openTestStore();
  const own = await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  const path = blobOf(t, other).path as string;
  const lease = takeLease(t.store, "read");
  for (const p of packs.all(t.store.db)) {
    const ms = packs.members(t.store.db, p.seq);
    console.log(
      p.dataset,
      ms.length,
      ms.slice(0, 5).map((m) => m.seq),
    );
  }
  const swept = await sweep(t.store, planPurge(t), () => {
    // a reader comes when the artifact of the purged dataset is gone, and its bytes have not moved yet
    if (t.again(own).state === "deleted") leases.holdBlob(t.store.db, lease.seq, other.blob as number);
    return false;
  });
  expect(swept.stayed.map(({ what }) => what)).toContain(path);
  expect([blobOf(t, other).path, existsSync(t.store.path(path))]).toEqual([path, true]);
  dropLease(t.store, lease);
  await purge(t);
  expect(blobOf(t, other).dataset).toBe("wheat");
});

test("packed files that another dataset uses too move into a pack there", async () => {
  using t = await openTestStore();
  const files = many(40);
  await t.add({ name: "all", dataset: "corn", files });
  const few = Object.fromEntries(Object.entries(files).slice(0, 10));
  const other = await t.add({ name: "few", dataset: "wheat", files: few });
  const swept = await purge(t);
  const [pack, ...rest] = packs.all(t.store.db);
  expect([pack?.dataset, rest, filesOf(t, "corn")]).toEqual(["wheat", [], []]);
  expect(swept.rehoused).toHaveLength(10);
  for (const entry of await readTree(t.store, other.blob as number)) {
    if (entry.kind !== "file") throw new Error(entry.kind);
    const row = blobs.byDigest(t.store.db, { algorithm: "blake3", hex: entry.hex }) as blobs.BlobRow;
    expect([(await readChecked(t.store, row)).toString(), row.dataset]).toEqual([few[entry.path] as string, "wheat"]);
  }
});

test("who stops a purge is heard while it looks for the few of a pack that go to one dataset", async () => {
  using t = await openTestStore();
  const files = many(600);
  await t.add({ name: "all", dataset: "corn", files });
  const [pack] = packs.all(t.store.db) as [packs.PackRow];
  // who has the first member moves first
  const members = packs.members(t.store.db, pack.seq).slice(0, 2);
  const texts = await Promise.all(
    members.map(async ({ seq }) => String(await readChecked(t.store, blobs.bySeq(t.store.db, seq) as blobs.BlobRow))),
  );
  const isFew = ([, text]: [string, string]): boolean => texts.includes(text);
  await t.add({ name: "few", dataset: "wheat", files: Object.fromEntries(Object.entries(files).filter(isFew)) });
  await t.add({ name: "most", dataset: "oats", files: Object.fromEntries(Object.entries(files).filter((one) => !isFew(one))) });
  const asked = new Map<string, number>();
  const swept = await sweep(t.store, planPurge(t), () => {
    for (const staged of new Bun.Glob("*/pack-*").scanSync(t.store.path("tmp"))) asked.set(staged, (asked.get(staged) ?? 0) + 1);
    return [...asked.values()].includes(2);
  });
  expect([swept.interrupted, swept.failed, swept.rehoused, readdirSync(t.store.path("tmp"))]).toEqual([true, [], [], []]);
  expect((await purge(t)).rehoused).toHaveLength(600);
});

test("a damaged pack is not moved from: it stays, and that is told", async () => {
  using t = await openTestStore();
  const files = many(40);
  await t.add({ name: "all", dataset: "corn", files });
  await t.add({ name: "one", dataset: "wheat", files: { f0: files["f0"] as string } });
  const [pack] = packs.all(t.store.db) as [packs.PackRow];
  const path = t.store.path(pack.path);
  chmodSync(path, 0o644);
  const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
  writeFileSync(path, bytes.fill(7));
  const swept = await sweep(t.store, planPurge(t), () => false);
  expect(swept.failed).toEqual([{ what: pack.path, error: expect.stringContaining("is damaged") }]);
  expect(packs.all(t.store.db)).toHaveLength(1);
});

test("each pack that cannot be moved is named by its own path, and the others move", async () => {
  using t = await openTestStore();
  const damaged: string[] = [];
  const both = await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  for (const nth of [1, 2, 3]) {
    const files = Object.fromEntries(Object.entries(many(40)).map(([name, text]) => [name, text + nth]));
    await t.add({ name: `all-${nth}`, dataset: "corn", files });
    const pack = packs.all(t.store.db).at(-1) as packs.PackRow;
    await t.add({ name: `few-${nth}`, dataset: "wheat", files: { f0: files["f0"] as string, f1: files["f1"] as string } });
    if (nth === 2) continue;
    chmodSync(t.store.path(pack.path), 0o644);
    writeFileSync(t.store.path(pack.path), new Uint8Array(pack.size).fill(7));
    damaged.push(pack.path);
  }
  const swept = await sweep(t.store, planPurge(t), () => false);
  expect(swept.failed.map(({ what }) => what)).toEqual(damaged);
  expect([swept.rehoused.length, t.again(both).state]).toEqual([3, "deleted"]);
});

test("damaged bytes that another dataset uses too stay doubted where they are, and that is told", async () => {
  using t = await openTestStore();
  await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  const before = blobOf(t, other);
  const path = t.store.path(before.path as string);
  chmodSync(path, 0o644);
  writeFileSync(path, "damaged");
  const swept = await sweep(t.store, planPurge(t), () => false);
  expect(swept.failed).toEqual([{ what: before.path as string, error: expect.stringContaining("are not those of") }]);
  expect([blobOf(t, other), swept.rehoused]).toEqual([before, []]);
  await expect(checkedFile(t.store, blobOf(t, other))).rejects.toMatchObject({ code: "CORRUPT" });
});

test("bytes that were only touched move, and are known there", async () => {
  using t = await openTestStore();
  await t.add({ name: "a", dataset: "corn", bytes: "of both" });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: "of both" });
  utimesSync(t.store.path(blobOf(t, other).path as string), 1, 1);
  await purge(t);
  const row = blobOf(t, other);
  expect([row.dataset, sameStamp(lstatSync(t.store.path(row.path as string), { bigint: true }), row)]).toEqual(["wheat", true]);
});

needsMount(test)("another file system is moved to by copying, packs too; where it is full nothing stays behind", async () => {
  using t = await openTestStore();
  const big = new Uint8Array(200_000).map((_, at) => at % 251);
  await t.add({ name: "a", dataset: "corn", bytes: big });
  const other = await t.add({ name: "b", dataset: "wheat", bytes: big });
  const files = many(40);
  await t.add({ name: "all", dataset: "corn", files });
  await t.add({ name: "few", dataset: "wheat", files: { f0: files["f0"] as string } });
  const wheat = t.store.path("binaries/wheat");
  cpSync(wheat, t.store.path("aside"), { recursive: true });
  using _ = mountSmall(wheat, "1m");
  cpSync(t.store.path("aside"), wheat, { recursive: true });
  const filler = t.store.path("binaries/wheat/filler");
  writeFileSync(filler, new Uint8Array(920_000));
  const before = filesOf(t, "wheat").length;
  const tried = await sweep(t.store, planPurge(t), () => false);
  expect([tried.failed.map(({ what }) => what), filesOf(t, "wheat").length]).toEqual([[blobOf(t, other).path as string], before + 1]);
  rmSync(filler);
  const swept = await sweep(t.store, planPurge(t), () => false);
  expect([swept.failed, swept.rehoused.length, blobOf(t, other).dataset, filesOf(t, "corn")]).toEqual([[], 1, "wheat", []]);
  expect(Buffer.from(await Bun.file(await checkedFile(t.store, blobOf(t, other))).arrayBuffer()).equals(big)).toBe(true);
});

test("datasets of one directory: each has its own missing files, strays stay in a purge, and the directory is none of them", async () => {
  using t = await openTestStore();
  const mine = await t.add({ name: "mine", dataset: "a b" });
  const other = await t.add({ name: "other", dataset: "a_b" });
  await t.add({ name: "third", dataset: "a*b" });
  writeFileSync(t.store.path("binaries/a_b/stray"), "stray");
  t.now = Date.now() + HOUR;
  const path = blobOf(t, mine).path as string;
  const bytes = new Uint8Array(await Bun.file(t.store.path(path)).arrayBuffer());
  rmSync(t.store.path(path));
  const missing = (dataset: string) => planGc(t.store, PURGE_RULES, { dataset, part: "orphans" }).missing.map((one) => one.path);
  expect(["a b", "a_b", "a*b"].map(missing)).toEqual([[path], [], []]);
  writeFileSync(t.store.path(path), bytes);
  const plan = planPurge(t, "a b");
  expect([plan.others, plan.keptOthers]).toEqual([
    [],
    [{ rule: "orphans", what: "binaries/a_b/stray", because: expect.stringContaining("has the same directory") }],
  ]);
  await purge(t, "a b");
  expect([t.again(mine).state, t.again(other).state, existsSync(t.store.path(blobOf(t, other).path as string))]).toEqual([
    "deleted",
    "live",
    true,
  ]);
  t.store.db.run("UPDATE artifacts SET dataset = 'a!b' WHERE dataset = 'a_b'");
  expect(() => requireDataset(t.store, "a_b")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
});

test("a dataset's directory that leads elsewhere is not entered", async () => {
  using t = await openTestStore();
  await t.add({ dataset: "corn" });
  using home = temporaryRoot();
  writeFileSync(home.at("precious"), "");
  symlinkSync(home.path, t.store.path("binaries/evil"));
  expect(() => requireDataset(t.store, "evil")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  for (const part of ["purge", "orphans"] as const)
    expect(planGc(t.store, PURGE_RULES, { dataset: "evil", part })).toMatchObject({
      others: [],
      keptOthers: [{ what: "binaries/evil", because: expect.stringContaining("no regular file") }],
    });
});

test("killed while bytes move from dataset to dataset, a store has all of them, and the next purge ends it", async () => {
  using t = await openTestStore();
  const both: ArtifactRow[] = [];
  for (let nth = 0; nth < 60; nth++) {
    await t.add({ name: `a-${nth}`, dataset: "corn", bytes: `of both ${nth}` });
    both.push(await t.add({ name: `b-${nth}`, dataset: "wheat", bytes: `of both ${nth}` }));
  }
  for (let round = 1; round <= 3; round++) {
    const child = spawnCoffer(["artifacts", "purge", "--dataset", "corn", "--force", "--yes"], { root: t.store.root });
    while (child.exitCode === null && filesOf(t, "wheat").length < round * 15) await Bun.sleep(1);
    child.kill("SIGKILL");
    await child.exited;
    for (const row of both) expect((await readChecked(t.store, blobOf(t, row))).toString()).toStartWith("of both");
    expect((await verify(t.store, { share: 1, random: Math.random })).damage).toEqual([]);
  }
  t.now = Date.now() + HOUR;
  await purge(t);
  expect([filesOf(t, "corn"), new Set(both.map((row) => blobOf(t, row).dataset))]).toEqual([[], new Set(["wheat"])]);
});

test("a dataset that is not there is an error with the one that was meant", async () => {
  using t = await openTestStore();
  await t.add({ dataset: "corn" });
  await t.add();
  expect(() => requireDataset(t.store, "cron")).toThrow(expect.objectContaining({ code: "NOT_FOUND", hint: "did you mean corn?" }));
  expect(() => requireDataset(t.store, "../binaries")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  requireDataset(t.store, "corn");
  requireDataset(t.store, "default");
  expect(readdirSync(t.store.path("binaries")).toSorted()).toEqual(["corn", "default"]);
});

test("orphans are counted by dataset: files, bytes without an artifact, rows without a file", async () => {
  using t = await openTestStore();
  const gone = await t.add({ dataset: "corn", bytes: "twelve bytes" });
  for (const dataset of ["corn", "wheat"]) await t.add({ dataset });
  artifacts.entomb(t.store.db, gone.seq, t.now);
  writeFileSync(t.store.path("binaries/corn/stray"), "stray");
  t.now += HOUR;
  expect(countOrphans(t.store, "corn")).toEqual({ files: 1, bytes: 5, blobs: 1, missing: 0 });
  expect(countOrphans(t.store, "wheat")).toEqual({ files: 0, bytes: 0, blobs: 0, missing: 0 });
  expect(countOrphans(t.store, null)).toEqual({ files: 1, bytes: 5, blobs: 1, missing: 0 });
});

test("what nothing names goes exactly as it is listed, packs too, and nothing else is touched", async () => {
  using t = await openTestStore();
  const lost = [await t.add({ files: many(40) }), await t.add(), await t.add({ files: { a: "alone" } })];
  await t.add({ name: "kept", files: { f1: many(2)["f1"] as string } });
  const half = await t.add({ name: "half", files: Object.fromEntries(Object.entries(many(200)).slice(100)) });
  await t.add({ name: "other half", files: Object.fromEntries(Object.entries(many(200)).slice(100, 110)) });
  for (const { seq } of [...lost, half]) artifacts.entomb(t.store.db, seq, t.now);
  const plan = planGc(t.store, PURGE_RULES, { dataset: null, part: "orphans" });
  const listed = [...itemsOf(plan)].map(({ kind, what, why, bytes }) => ({ kind, what, why, bytes, planned: true }));
  const swept = await sweep(t.store, plan, () => false);
  const byWhat = (a: { what: string }, b: { what: string }): number => a.what.localeCompare(b.what);
  expect(swept.deleted.toSorted(byWhat)).toEqual(listed.toSorted(byWhat));
  expect([swept.freed, swept.repacked]).toEqual([plan.totals.bytes, []]);
  expect((await verify(t.store, { share: 1, random: Math.random })).damage).toEqual([]);
});
