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
import * as artifacts from "../../src/db/artifacts.ts";
import * as metrics from "../../src/db/metrics.ts";
import * as outbox from "../../src/db/outbox.ts";
import { journalDelivery } from "../../src/db/delivery-snapshot.ts";
import * as inputs from "../../src/db/run-inputs.ts";
import * as runs from "../../src/db/runs.ts";
import { planGc } from "../../src/gc/plan.ts";
import { rulesFrom } from "../../src/gc/rules.ts";
import { sweep } from "../../src/gc/sweep.ts";
import { rebuild } from "../../src/manifest/rebuild.ts";
import type { Rebuilt } from "../../src/manifest/rebuild.ts";
import { writeDueManifests } from "../../src/manifest/run-manifest.ts";
import { enqueueRun } from "../../src/registry/enqueue.ts";
import { log } from "../../src/registry/log.ts";
import type { Logged } from "../../src/registry/log.ts";
import { pin, remove, removeAlias, restore, retag, setAlias, unpin } from "../../src/registry/marks.ts";
import { setLimit } from "../../src/store/cache-limits.ts";
import { openStore } from "../../src/store/store.ts";
import type { Store } from "../../src/store/store.ts";
import { verify } from "../../src/store/verify.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { foreignTree } from "./foreign-tree.ts";
import { stableDump } from "./stable-dump.ts";

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
