import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type * as artifacts from "../../../src/db/records/artifacts.ts";
import * as metrics from "../../../src/db/records/metrics.ts";
import * as outbox from "../../../src/db/delivery/outbox.ts";
import { journalDelivery } from "../../../src/db/delivery/delivery-snapshot.ts";
import * as inputs from "../../../src/db/records/run-inputs.ts";
import * as params from "../../../src/db/records/params.ts";
import * as runs from "../../../src/db/records/runs.ts";
import { CofferError } from "../../../src/domain/error.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { rulesFrom } from "../../../src/gc/plan/rules.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import { rebuild } from "../../../src/manifest/rebuild/rebuild.ts";
import type { Rebuilt } from "../../../src/manifest/rebuild/rebuild.ts";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { log } from "../../../src/registry/log.ts";
import type { Logged } from "../../../src/registry/log.ts";
import { pin, remove, removeAlias, restore, retag, setAlias, unpin } from "../../../src/registry/marks.ts";
import { adoptLeft } from "../../../src/run/adopt/adopt-left.ts";
import { setLimit } from "../../../src/store/cache/limits.ts";
import { dropLease, takeLease } from "../../../src/store/lease.ts";
import { openStore } from "../../../src/store/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { bornAt } from "../../../src/store/database/take-stock.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { foreignTree } from "../foreign-tree.ts";
import { stableDump } from "../stable-dump.ts";

const options = { force: false, dryRun: false, now: () => Date.now(), check: () => undefined };
const databaseOf = (store: Store): string => store.path("coffer.db");
let number = 0;

/** One file or directory as a version of a name, as `coffer log` keeps it. */
async function logOne(
  test: TestStore,
  given: { name?: string; bytes?: string; files?: Record<string, string>; more?: Partial<Parameters<typeof log>[1]> } = {},
): Promise<Logged> {
  const source = join(test.store.root, "..", `logged-${++number}`);
  if (given.files) {
    mkdirSync(source);
    for (const [name, text] of Object.entries(given.files)) writeFileSync(join(source, name), text);
  } else writeFileSync(source, given.bytes ?? `bytes ${number}`);
  return log(test.store, {
    run: undefined,
    paths: [{ source }],
    particulars: given.name === undefined ? {} : { name: given.name },
    metrics: [],
    params: [],
    tags: [],
    ...given.more,
  });
}

/** Takes the database away, makes it again, and opens the store anew. */
async function loseAndRebuild({ store }: TestStore): Promise<{ rebuilt: Rebuilt; again: Store }> {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(databaseOf(store) + suffix, { force: true });
  const rebuilt = await rebuild(store.settings, options);
  return { rebuilt, again: openStore(store.settings, { make: false, now: store.now, say: () => undefined }) };
}

async function gcAll(store: Store): Promise<void> {
  const flags = {
    orphans: true,
    failedRuns: false,
    workspaces: false,
    maxVersions: "1",
    maxAge: undefined,
    maxSize: undefined,
    grace: "0",
    forgetUnsynced: true,
  };
  await sweep(store, planGc(store, rulesFrom(flags, store.settings.values.artifact_store.cleanup_policy)), () => false);
}

test("a lost database is made again, equal in meaning: every table but those that are lost with it", async () => {
  using test = await openTestStore({ "tracking.mlflow.uri": "http://tracking.example:5000" });
  const { store } = test;
  const big = Object.fromEntries(Array.from({ length: 40 }, (_, nth) => [`${nth}.txt`, `file ${nth}`]));
  const first = await logOne(test, {
    name: "m",
    more: {
      metrics: [
        { key: "a", value: NaN, step: 0, time: 1 },
        { key: "a", value: -Infinity, step: 1, time: 2 },
        { key: "b", value: 0.1, step: 0, time: 3 },
      ],
    },
  });
  const data = await logOne(test, {
    name: "data",
    files: big,
    more: {
      newRun: { dataset: "odd dataset!", name: "constructor" },
      params: [
        ["constructor", "yes\n\u2028no"],
        ["1e3", "0o17"],
      ],
    },
  });
  const second = await logOne(test, {
    name: "m",
    more: {
      particulars: {
        name: "m",
        dependsOn: [{ artifact: data.artifacts[0] as never, role: "train set" }, { artifact: first.artifacts[0] as never }],
        params: { deep: { list: [1, "1", null] } },
        tags: [["k", "v"]],
      },
    },
  });
  const third = await logOne(test, { name: "m" });
  const [one, tree, two] = [first, data, second].map(({ artifacts: [row] }) => row as artifacts.ArtifactRow) as [
    artifacts.ArtifactRow,
    artifacts.ArtifactRow,
    artifacts.ArtifactRow,
  ];
  inputs.add(store.db, { run: second.run.seq, artifact: one.seq, path: null, digest: one.digest, size: one.size, how: "got" });
  inputs.add(store.db, { run: second.run.seq, artifact: null, path: "/data/x.csv", digest: one.digest, size: 9, how: "declared" });
  runs.update(store.db, second.run.seq, { parent: first.run.seq, manifest: "due" });
  await using tree2 = Object.assign(foreignTree(), { async [Symbol.asyncDispose]() {} });
  tree2.write([{ artifact_id: "0001_pls:0:all" }, { artifact_id: "0001_pls:1:all", depends_on: ["0001_pls:0:all"] }]);
  await tree2.import(test);
  writeDueManifests(store);
  setAlias(store, one, "best");
  setAlias(store, two, "best");
  pin(store, one, "keep\nit");
  retag(store, { kind: "artifact", artifact: two }, [["later", "yes"]], ["k"]);
  retag(store, { kind: "run", run: first.run }, [["run tag", "yes"]], []);
  setLimit(store, "max_entries", 7);
  const delivery = outbox.deliveriesOf(store.db, first.run.seq)[0] as outbox.DeliveryRow;
  store.transaction(() => {
    for (const entry of outbox.entries(store.db, delivery.seq)) outbox.settle(store.db, entry.seq, 5, { how: "put", bytes: 3 });
    outbox.updateDelivery(store.db, delivery.seq, {
      state: "synced",
      remote_run: "abc",
      metrics_sent: metrics.last(store.db, first.run.seq),
      synced_at: 9,
    });
    journalDelivery(store.db, delivery.seq, 9);
  });
  remove(store, { kind: "artifact", artifact: tree });
  restore(store, { kind: "artifact", artifact: tree });
  remove(store, { kind: "run", run: third.run });
  await gcAll(store);
  const before = stableDump(databaseOf(store));
  const { rebuilt, again } = await loseAndRebuild(test);
  using _again = again;
  expect(rebuilt).toMatchObject({ because: "missing", aside: null, damage: [], orphans: [], unread: [], notes: [], left: [] });
  expect(stableDump(databaseOf(again))).toEqual(before);
  expect(before["artifacts"]?.length).toBe(6);
  expect((await verify(again, { share: 1, random: Math.random, resume: false, stop: () => false })).damage).toEqual([]);
});

/** Rewrites some bytes of a file that is only to be read. */
function damage(path: string, at: number, bytes: Uint8Array): void {
  chmodSync(path, 0o644);
  const fd = openSync(path, "r+");
  writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
  chmodSync(path, 0o444);
}

const ofWhat = ({ damage: found }: Rebuilt): string[] => found.map(({ what }) => what).sort();

test("bytes that are missing or damaged keep their rows, and are said; so is what nobody names", async () => {
  using test = await openTestStore();
  const { store } = test;
  const files = Object.fromEntries(Array.from({ length: 40 }, (_, nth) => [`${nth}.txt`, `file ${nth}`]));
  const [gone, changed, tree] = [
    await logOne(test, { name: "gone" }),
    await logOne(test, { name: "changed", bytes: "these bytes" }),
    await logOne(test, { name: "tree", files }),
  ].map(({ artifacts: [row] }) => row as artifacts.ArtifactRow) as [artifacts.ArtifactRow, artifacts.ArtifactRow, artifacts.ArtifactRow];
  const forgotten = await logOne(test, { name: "forgotten" });
  writeDueManifests(store);
  const before = stableDump(databaseOf(store));
  rmSync(store.path("manifests", `${forgotten.run.id}.yaml`));
  const pathOf = ({ blob }: artifacts.ArtifactRow): string =>
    store.path((store.db.query("SELECT path FROM blobs WHERE seq = ?").get(blob) as { path: string }).path);
  rmSync(pathOf(gone));
  damage(pathOf(changed), 0, Buffer.from("THESE"));
  const { path: pack } = store.db.query("SELECT path FROM packs").get() as { path: string };
  const members = store.db.query("SELECT offset, size FROM blobs WHERE pack IS NOT NULL ORDER BY offset").all() as {
    offset: number;
    size: number;
  }[];
  const [first, second] = members as [(typeof members)[number], (typeof members)[number]];
  damage(store.path(pack), first.offset, Buffer.from("?"));
  // a header: what follows it is found all the same
  damage(store.path(pack), second.offset - 512, Buffer.from("zz"));
  writeFileSync(store.path("binaries/default/file_-_0123456789ab.txt"), "of nobody");
  writeFileSync(store.path("binaries/default/notes.txt"), "no blob");
  const { rebuilt, again } = await loseAndRebuild(test);
  using _again = again;
  expect(ofWhat(rebuilt)).toEqual(["changed", "changed", "changed", "missing", "missing"]);
  expect(rebuilt.notes).toEqual([`${pack}: the headers of members are damaged at 1 places`]);
  expect(rebuilt.orphans.map(({ bytes }) => bytes)).toEqual([forgotten.artifacts[0]?.size as number]);
  const after = stableDump(databaseOf(again));
  const digests = (rows: string[] | undefined): string[] => (rows ?? []).map((row) => (JSON.parse(row) as string[])[0] as string).sort();
  expect(digests(after["blobs"])).toEqual(digests(before["blobs"]));
  expect(after["tree_members"]).toEqual(before["tree_members"] as string[]);
  expect(tree.files).toBe(40);
  const { damage: found } = await verify(again, { share: 1, random: Math.random, resume: false, stop: () => false });
  // the pack as such is damaged too, and what nobody names has no row
  const known = (all: readonly { digest: string }[]): Set<string> =>
    new Set(all.map(({ digest }) => digest).filter((digest) => digest.length > 60));
  expect(known(found)).toEqual(known(rebuilt.damage));
});

test("of a pack that is cut short what is there is found, and the rest is missing", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, {
    name: "tree",
    files: Object.fromEntries(Array.from({ length: 40 }, (_, nth) => [`${nth}.txt`, `file ${nth}`.repeat(200)])),
  });
  writeDueManifests(store);
  const { path } = store.db.query("SELECT path FROM packs").get() as { path: string };
  chmodSync(store.path(path), 0o644);
  // the list comes last: without it nobody knows what lay in the directory
  truncateSync(store.path(path), 20_000);
  const { rebuilt } = await loseAndRebuild(test);
  expect(rebuilt.notes).toEqual([`${path} is cut short`, expect.stringContaining("its list is missing or damaged")]);
  expect(ofWhat(rebuilt)).toEqual(["missing", "short"]);
  expect(rebuilt.orphans.length).toBeGreaterThan(5);
});

test("a manifest and a line that cannot be read are said, and the rest is there", async () => {
  using test = await openTestStore();
  const { store } = test;
  const [one, other] = [await logOne(test, { name: "one" }), await logOne(test, { name: "other" })];
  setAlias(store, other.artifacts[0] as artifacts.ArtifactRow, "best");
  writeDueManifests(store);
  const manifest = `manifests/${one.run.id}.yaml`;
  writeFileSync(store.path(manifest), readFileSync(store.path(manifest), "utf8").slice(0, 900));
  const journal = store.path("manifests/journal.jsonl");
  // a crash left half of it, and it was written once more; the last line nobody can read
  writeFileSync(journal, `{"seq":1,"at":17\n${readFileSync(journal, "utf8")}{"seq":2,"at":1,"did":"something new"}\n`);
  const { rebuilt, again } = await loseAndRebuild(test);
  using _again = again;
  expect(rebuilt.unread.map((unread) => unread.manifest)).toEqual([manifest]);
  expect(rebuilt.notes).toEqual([expect.stringContaining("line 3 of journal.jsonl")]);
  expect([rebuilt.runs, rebuilt.orphans.length, stableDump(databaseOf(again))["aliases"]?.length]).toEqual([1, 1, 1]);
});

test("a database that is whole is refused; forced, damaged or cut short it is set aside with its log, as it was", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  await expect(rebuild(store.settings, options)).rejects.toMatchObject({ code: "PROTECTED", exit: 5 });
  const before = stableDump(databaseOf(store));
  const forced = await rebuild(store.settings, { ...options, force: true });
  expect([forced.because, forced.aside?.slice(0, 11)]).toEqual(["forced", "coffer.db.2"]);
  expect(stableDump(databaseOf(store))).toEqual(before);
  expect(stableDump(store.path(forced.aside as string))).toEqual(before);

  // the connection that was open all the while writes nothing any more, and takes nothing from the new one when it is closed
  expect(() => setLimit(store, "max_size", 1)).toThrow(
    expect.objectContaining({ code: "STORE_UNUSABLE", message: expect.stringContaining("was replaced") }),
  );
  using again = openStore(store.settings, { make: false, now: store.now, say: () => undefined });
  setLimit(again, "max_size", 5);
  store.db.close();
  expect(existsSync(`${databaseOf(again)}-wal`)).toBe(true);
  again.db.close();
  for (const size of [50, 8192, 20_000]) {
    truncateSync(databaseOf(store), size);
    const was = readFileSync(databaseOf(store));
    const rebuilt = await rebuild(store.settings, options);
    expect(rebuilt).toMatchObject({ because: "damaged", damage: [], notes: [] });
    expect(readFileSync(store.path(rebuilt.aside as string)).equals(was)).toBe(true);
    expect(stableDump(databaseOf(store))["artifacts"]).toEqual(before["artifacts"] as string[]);
  }
  using db = new Database(databaseOf(store));
  db.run("PRAGMA user_version = 999");
  await expect(rebuild(store.settings, { ...options, force: true })).rejects.toMatchObject({ code: "STORE_NEWER" });
});

test("whatever a crash leaves, the next rebuild finishes, and nothing else opens the store", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  store.db.run("PRAGMA wal_autocheckpoint = 0");
  setLimit(store, "max_size", 5);
  const before = stableDump(databaseOf(store));
  const names = ["", "-wal", "-shm"].map((suffix) => `${databaseOf(store)}${suffix}`);
  // between the two names of the old one and the new one: its log is left
  for (const [nth, name] of names.entries()) {
    const aside = name.replace("coffer.db", "coffer.db.2026-01-01T000000.000Z");
    if (nth === 0) renameSync(name, aside);
    else Bun.spawnSync(["ln", name, aside]);
  }
  writeFileSync(store.path("coffer.db.new"), "half of it");
  writeFileSync(store.path("coffer.db.lock"), "");
  expect(() => openStore(store.settings, { make: true, now: store.now, say: () => undefined })).toThrow(
    expect.objectContaining({ code: "STORE_DAMAGED", hint: expect.stringContaining("coffer rebuild") }),
  );
  expect(await rebuild(store.settings, options)).toMatchObject({ because: "missing", aside: null, notes: [] });
  expect(stableDump(databaseOf(store))).toEqual(before);
  expect(stableDump(store.path("coffer.db.2026-01-01T000000.000Z"))).toEqual(before);
  expect(
    readdirSync(store.root)
      .filter((name) => name.startsWith("coffer.db") && !name.includes("2026-01-01"))
      .sort(),
  ).toEqual(["coffer.db"]);
});

test("two rebuilds exclude each other, and a process that is at work keeps it off", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  const lease = takeLease(store, "ingest");
  await expect(rebuild(store.settings, { ...options, force: true })).rejects.toMatchObject({ code: "PROTECTED" });
  dropLease(store, lease);
  store.db.close();
  rmSync(databaseOf(store));
  const both = await Promise.allSettled([rebuild(store.settings, options), rebuild(store.settings, options)]);
  expect(both.map((one) => (one.status === "fulfilled" ? "made" : (one.reason as { code: string }).code)).sort()).toEqual([
    "STORE_BUSY",
    "made",
  ]);
});

test("a dry run says the same and changes nothing; one that is stopped changes nothing either", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  store.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  truncateSync(databaseOf(store), 5000);
  const listed = (): string[] =>
    (readdirSync(store.root, { recursive: true }) as string[]).map((name) => `${name} ${statSync(store.path(name)).mtimeMs}`).sort();
  const before = listed();
  expect(await rebuild(store.settings, { ...options, dryRun: true })).toMatchObject({
    because: "damaged",
    runs: 1,
    artifacts: 1,
    aside: null,
  });
  let asked = 0;
  const check = (): void => {
    if (asked++ === 0) throw new Error("stopped");
  };
  expect(listed()).toEqual(before);
  await expect(rebuild(store.settings, { ...options, check })).rejects.toThrow("stopped");
  expect(readdirSync(store.root).filter((name) => name.startsWith("coffer.db.")).length).toBe(0);
});

test("a dry run beside a whole database writes nothing either, not even what an earlier command left to do", async () => {
  using test = await openTestStore();
  const { store } = test;
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  store[Symbol.dispose]();
  const file = databaseOf(store);
  {
    using db = new Database(file);
    db.run("INSERT INTO journal (line) VALUES (?)", [JSON.stringify({ at: 1, did: "cache-limit", name: "max_size", value: 1 })]);
  }
  const files = (): string[] => [...new Bun.Glob("**").scanSync({ cwd: store.root, dot: true })].sort();
  const [before, bytes] = [files(), readFileSync(file)];
  expect(before).not.toContain("manifests/journal.jsonl");
  await expect(rebuild(store.settings, { ...options, dryRun: true })).rejects.toThrow("there is nothing to rebuild");
  expect(files()).toEqual(before);
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

test("a run of which there is a workspace and no manifest is one that goes on, until somebody ends it", async () => {
  using test = await openTestStore();
  const { store } = test;
  const id = Bun.randomUUIDv7();
  const workspace = join(store.settings.roots.workspace, "runs", id);
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(workspace, "params.json"), '{"lr": 0.1}');
  await logOne(test, { name: "m" });
  writeDueManifests(store);
  const { rebuilt, again } = await loseAndRebuild(test);
  using _again = again;
  expect(rebuilt.left).toEqual([{ id, workspace }]);
  expect(runs.byId(again.db, id)).toMatchObject({
    state: "running",
    workspace: `work/runs/${id}`,
    workspace_state: "present",
    started_at: bornAt(id) as number,
  });
  expect(await adoptLeft(again, [id])).toMatchObject([{ id, state: "killed", adopted: 1 }]);
  expect(params.ofRun(again.db, runs.byId(again.db, id)?.seq as number)).toEqual({ lr: "0.1" });
  expect(readdirSync(workspace)).toEqual(["params.json"]);
});

const name = fc.constantFrom("a", "b", "c");
const word = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 12 })
  .filter((text) => text.trim() === text && !/[\x00-\x1f\x7f/\\]/.test(text) && text !== "." && text !== "..");
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("log" as const),
      name: fc.option(name, { nil: undefined }),
      files: fc.nat(3),
      on: fc.nat(),
      value: fc.double(),
      word,
      dataset: fc.option(word, { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom("alias" as const, "unalias", "pin", "unpin", "tag", "remove", "restore", "remove run", "settle", "log again"),
      of: fc.nat(),
      word,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom<("gc" | "write manifests")[]>("gc", "write manifests") }) },
);

test("whatever a store has been through, its rebuilt database says the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 14 }), async (actions) => {
      using test = await openTestStore({ "tracking.mlflow.uri": "http://tracking.example:5000" });
      const { store } = test;
      await logOne(test);
      for (const one of actions) {
        test.now += 10;
        const made = store.db.query("SELECT * FROM artifacts WHERE state <> 'deleted' ORDER BY seq").all() as artifacts.ArtifactRow[];
        try {
          await act(test, one, made);
        } catch (error) {
          if (!(error instanceof CofferError)) throw error;
        }
      }
      writeDueManifests(store);
      const before = stableDump(databaseOf(store));
      const { rebuilt, again } = await loseAndRebuild(test);
      using _again = again;
      expect(rebuilt).toMatchObject({ damage: [], unread: [], notes: [] });
      expect(stableDump(databaseOf(again))).toEqual(before);
    }),
    { numRuns: 8 },
  );
}, 120_000);

async function act(
  test: TestStore,
  one: typeof action extends fc.Arbitrary<infer A> ? A : never,
  made: readonly artifacts.ArtifactRow[],
): Promise<void> {
  const { store } = test;
  if (one.do === "log") {
    const origin = made[one.on % Math.max(1, made.length)];
    await logOne(test, {
      ...(one.name !== undefined && { name: one.name }),
      ...(one.files > 0 && {
        files: Object.fromEntries(Array.from({ length: one.files * 20 }, (_, nth) => [`${nth}`, `${one.word} ${nth}`])),
      }),
      more: {
        ...(one.dataset !== undefined && { newRun: { dataset: one.dataset } }),
        particulars: {
          name: one.name,
          description: one.word,
          tags: [[one.word, one.word]],
          metrics: { m: 1 },
          ...(origin?.state === "live" && { dependsOn: [{ artifact: origin }] }),
        },
        metrics: [{ key: "m", value: one.value, step: 1, time: test.now }],
        params: [[one.word, String(one.value)]],
      },
    });
    return;
  }
  if (!("of" in one)) return one.do === "gc" ? gcAll(store) : writeDueManifests(store);
  const artifact = made[one.of % Math.max(1, made.length)];
  const run = artifact && runs.bySeq(store.db, artifact.run);
  if (!artifact || !run) return;
  if (one.do === "alias") setAlias(store, artifact, "best");
  else if (one.do === "unalias") removeAlias(store, artifact.name ?? "a", "best");
  else if (one.do === "pin") pin(store, artifact, one.word);
  else if (one.do === "unpin") unpin(store, artifact);
  else if (one.do === "tag")
    retag(store, one.of % 2 === 0 ? { kind: "run", run } : { kind: "artifact", artifact }, [[one.word, one.do]], []);
  else if (one.do === "remove") remove(store, { kind: "artifact", artifact });
  else if (one.do === "remove run") remove(store, { kind: "run", run });
  else if (one.do === "restore") restore(store, { kind: "artifact", artifact });
  else if (one.do === "log again") await logOne(test, { more: { run, tags: [[one.word, "again"]] } });
  else
    store.transaction(() => {
      const delivery = outbox.deliveriesOf(store.db, run.seq)[0];
      if (!delivery) return;
      for (const entry of outbox.entries(store.db, delivery.seq)) outbox.settle(store.db, entry.seq, test.now);
      outbox.updateDelivery(store.db, delivery.seq, {
        state: "synced",
        metrics_sent: metrics.last(store.db, run.seq),
        updated_at: test.now,
      });
      journalDelivery(store.db, delivery.seq, test.now);
    });
}

test("whatever stands in a manifest or in the journal, a rebuild comes to its end, and says what it could not read", async () => {
  using test = await openTestStore({ "tracking.mlflow.uri": "http://tracking.example:5000" });
  const { store } = test;
  const one = await logOne(test, { name: "m", more: { params: [["a", "1"]], metrics: [{ key: "m", value: 1, step: 0, time: 1 }] } });
  await logOne(test, {
    name: "m",
    more: { particulars: { name: "m", dependsOn: [{ artifact: one.artifacts[0] as artifacts.ArtifactRow }] } },
  });
  setAlias(store, one.artifacts[0] as artifacts.ArtifactRow, "best");
  retag(store, { kind: "run", run: one.run }, [["k", "v"]], []);
  writeDueManifests(store);
  store.db.close();
  rmSync(databaseOf(store));
  const files = [`manifests/${one.run.id}.yaml`, "manifests/journal.jsonl"].map((name) => store.path(name));
  const texts = files.map((path) => readFileSync(path, "utf8"));
  const edit = fc.record({
    file: fc.nat(1),
    at: fc.nat(),
    length: fc.nat(40),
    put: fc.oneof(fc.string(), fc.constantFrom("-1", "null", '"', "[]", "{}", "\n", "../..", "1e400", ".nan")),
  });
  const token = fc.record({
    file: fc.nat(1),
    nth: fc.nat(),
    put: fc.constantFrom("-1", "null", "[]", "{}", '"x"', "9007199254740993", "true"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(edit, token), { minLength: 1, maxLength: 3 }), async (edits) => {
      const now = [...texts];
      for (const one of edits) {
        const text = now[one.file] as string;
        if ("at" in one) {
          const at = one.at % text.length;
          now[one.file] = text.slice(0, at) + one.put + text.slice(at + one.length);
        } else {
          // a value in the place of another
          const values = [...text.matchAll(/(?<=: )[^\n]+|(?<=":)[^,}\n]+/g)];
          const value = values[one.nth % values.length] as RegExpExecArray;
          now[one.file] = text.slice(0, value.index) + one.put + text.slice(value.index + value[0].length);
        }
      }
      for (const [nth, path] of files.entries()) writeFileSync(path, now[nth] as string);
      const { runs: made, unread } = await rebuild(store.settings, { ...options, dryRun: true });
      expect(made + unread.length).toBeGreaterThanOrEqual(2);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("two thousand artifacts of twenty runs, with what they were made from", async () => {
  using test = await openTestStore();
  const { store } = test;
  let last: artifacts.ArtifactRow | undefined;
  for (let nth = 0; nth < 20; nth++) {
    const directory = join(store.root, "..", `many-${nth}`);
    mkdirSync(directory);
    const paths = Array.from({ length: 100 }, (_, file) => ({ source: join(directory, `${file}.txt`) }));
    for (const { source } of paths) writeFileSync(source, `${source} of ${nth}`);
    const particulars = { tags: [["nth", String(nth)]] as const, ...(last && { dependsOn: [{ artifact: last }] }) };
    const logged = await log(store, { run: undefined, paths, particulars, metrics: [], params: [], tags: [] });
    last = logged.artifacts.at(-1);
  }
  writeDueManifests(store);
  const before = stableDump(databaseOf(store));
  const { rebuilt, again } = await loseAndRebuild(test);
  using _again = again;
  expect(rebuilt).toMatchObject({ runs: 20, artifacts: 2000, damage: [], notes: [] });
  expect(stableDump(databaseOf(again))).toEqual(before);
}, 60_000);
