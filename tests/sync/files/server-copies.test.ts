import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { repair } from "../../../src/store/damage/repair.ts";
import type { Repair } from "../../../src/store/damage/repair.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { serverCopies } from "../../../src/sync/files/server-copies.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { ALL, dumpOf, memberOf, pathOf, rewrite, small } from "../../store/damaged-store.ts";
import { deliveryOf, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);

async function mendFromServer({ store }: TestStore): Promise<Repair> {
  const server = serverCopies(store, { env: {}, signal: new AbortController().signal });
  return repair(store, await verify(store, ALL), { directories: [], elsewhere: server ? [server] : [], stop: () => false });
}

/** Where the server keeps a file of a run. */
function onDisk(kind: "proxied" | "shared", stored: TestStore, run: RunRow, path: string): string {
  const { remote_experiment, remote_run } = deliveryOf(stored, run);
  return join(mlflow[kind].artifacts, remote_experiment as string, remote_run as string, "artifacts", path);
}

for (const kind of ["proxied", "shared"] as const)
  live(`files that were delivered come back from the server, large, packed and in directories (${kind})`, async () => {
    using stored = await storeFor(mlflow[kind].uri, { "tracking.mlflow.share": "copy" });
    const { artifacts } = await tellLater(stored, {
      artifacts: [
        { path: "deep/loss#1.bin", bytes: Buffer.alloc(9_000_000, 7) },
        { path: "d", files: small(40) },
      ],
    });
    expect(await sync(stored)).toMatchObject({ synced: 1 });
    const [single, tree] = artifacts as [(typeof artifacts)[0], (typeof artifacts)[0]];
    const before = await dumpOf(stored.store, { places: false });
    rmSync(pathOf(stored, single.blob));
    const member = memberOf(stored, tree, 3);
    rewrite(pathOf(stored, member.seq), (bytes) => (bytes[member.offset as number] = 0));
    const done = await mendFromServer(stored);
    expect([done.damage, done.repaired.map(({ from }) => from)]).toEqual([[], ["mlflow", "mlflow"]]);
    // a disk that both see needs no request
    expect(done.repaired.every(({ source }) => source.startsWith(mlflow.shared.artifacts))).toBe(kind === "shared");
    expect(await dumpOf(stored.store, { places: false })).toEqual(before);
  });

live("what the server has by now is hashed: other bytes are no copy, and more of them are not even received", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run, artifacts } = await tellLater(stored, {
    artifacts: [
      { path: "a.bin", bytes: "right" },
      { path: "b.bin", bytes: "short" },
    ],
  });
  await sync(stored);
  writeFileSync(onDisk("proxied", stored, run, "a.bin"), "wrong");
  writeFileSync(onDisk("proxied", stored, run, "b.bin"), Buffer.alloc(5_000_000));
  for (const { blob } of artifacts) rmSync(pathOf(stored, blob));
  const done = await mendFromServer(stored);
  expect([done.repaired, done.damage.map(({ what }) => what)]).toEqual([[], ["missing", "missing"]]);
  expect(readFileSync(onDisk("proxied", stored, run, "a.bin"), "utf8")).toBe("wrong");
});

test("a server that is away is said once, and the damage stays", async () => {
  const words: string[] = [];
  using stored = await openTestStore({ "tracking.mlflow.uri": "http://127.0.0.1:9" });
  const artifacts = [await stored.add({ path: "a" }), await stored.add({ path: "b" })];
  stored.store.transaction(() => {
    for (const { seq, run } of artifacts) {
      stored.store.db.run(
        "INSERT INTO deliveries (run, target, experiment, state, remote_run, artifact_uri, updated_at) VALUES (?, 'http://127.0.0.1:9', 'x', 'synced', 'r', 'mlflow-artifacts:/0/r/artifacts', 0)",
        [run],
      );
      stored.store.db.run("INSERT INTO outbox (delivery, step, artifact, settled_at) VALUES (last_insert_rowid(), 'artifact', ?, 0)", [
        seq,
      ]);
    }
  });
  for (const { blob } of artifacts) rmSync(pathOf(stored, blob));
  const store = { ...stored.store, say: (text: string) => void words.push(text) };
  const server = serverCopies(store, { env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" }, signal: new AbortController().signal });
  const done = await repair(store, await verify(store, ALL), { directories: [], elsewhere: server ? [server] : [], stop: () => false });
  expect([done.damage.length, words.length, words[0]]).toEqual([2, 1, expect.stringContaining("no copies are looked for on the server")]);
});
