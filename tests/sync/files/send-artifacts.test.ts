import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { remove } from "../../../src/registry/marks.ts";
import { log } from "../../../src/registry/log.ts";
import { locate } from "../../../src/store/read.ts";
import { sameStamp } from "../../../src/store/bytes/stamp.ts";
import type { Store } from "../../../src/store/store.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow, readArtifact } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { ask, deliveryOf, say, seenOn, short, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);
const LARGE = 200_000;

function blobOf(store: Store, artifact: ArtifactRow): BlobRow {
  return blobs.bySeq(store.db, artifact.blob as number) as BlobRow;
}

function bytes(fill: number, size = LARGE): Uint8Array {
  return new Uint8Array(size).fill(fill);
}

live(
  "on a shared volume a large file is the very inode of the store or its clone, a packed one is written out, and nothing goes over HTTP",
  async () => {
    await using proxy = await faultyProxy(mlflow.shared.uri, () => undefined);
    using stored = await storeFor(proxy.uri);
    const small = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`part-${index}.txt`, `small ${index}`]));
    const { run, artifacts } = await tellLater(stored, {
      artifacts: [
        { path: "model.bin", bytes: bytes(1) },
        { path: "data", files: small },
      ],
    });
    const report = await sync(stored);
    expect(report).toMatchObject({ synced: 1, files: 41 });
    const how = report.runs[0]?.sent.how ?? {};
    expect(how["put"]).toBeUndefined();
    expect(how["copy"]).toBe(40);
    expect(proxy.requests.filter((request) => request.startsWith("PUT") || request.includes("upload"))).toEqual([]);

    const directory = deliveryOf(stored, run).artifact_uri as string;
    const large = blobOf(stored.store, artifacts[0] as ArtifactRow);
    const placed = statSync(join(directory, "model.bin"), { bigint: true });
    expect(how["link"] === 1 ? placed.ino === large.inode : how["clone"] === 1).toBe(true);
    expect(readFileSync(join(directory, "data/part-7.txt"), "utf8")).toBe("small 7");
    // a link changes the blob's ctime: that must not make coffer hash it again at each use
    expect(sameStamp(statSync(locate(stored.store, large).path, { bigint: true }), large)).toBe(true);
    const [seen] = await seenOn(mlflow.shared.uri, run);
    expect(Object.keys(seen?.artifacts ?? {})).toHaveLength(41);
    expect(Buffer.from(await readArtifact(mlflow.shared, seen?.id as string, "model.bin")).equals(bytes(1))).toBe(true);
  },
);

live("the same bytes at two paths of a run are one inode, the store's own", async () => {
  using stored = await storeFor(mlflow.shared.uri, { "tracking.mlflow.share": "link" });
  const { run, artifacts } = await tellLater(stored, { artifacts: [{ path: "model.bin", bytes: bytes(2) }] });
  expect(await sync(stored)).toMatchObject({ runs: [{ sent: { how: { link: 1 } } }] });
  const again = await stored.add({ run, path: "again.bin", bytes: bytes(2) });
  say(stored, run, {});
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { how: { link: 1 } } }] });
  expect(again.blob).toBe((artifacts[0] as ArtifactRow).blob);
  expect(statSync(locate(stored.store, blobOf(stored.store, again)).path).nlink).toBe(3);
});

live("under the directory where a proxied server keeps its artifacts, files are shared too once a marker proved it", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri, { "tracking.mlflow.artifact_root": mlflow.proxied.artifacts, "tracking.mlflow.share": "copy" });
  const { run } = await tellLater(stored, { artifacts: [{ path: "deep/model.bin", bytes: bytes(3) }] });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { how: { copy: 1 } } }] });
  expect(proxy.requests.filter((request) => request.startsWith("PUT"))).toEqual([]);
  const [seen] = await seenOn(mlflow.proxied.uri, run);
  expect(seen?.artifacts).toEqual({ "deep/model.bin": LARGE });
  expect(readdirSync(join(mlflow.proxied.artifacts, seen?.experiment as string, seen?.id as string, "artifacts"))).toEqual(["deep"]);
});

live("a directory that is not the server's gets nothing: the files go over HTTP", async () => {
  using elsewhere = temporaryRoot();
  using stored = await storeFor(mlflow.proxied.uri, { "tracking.mlflow.artifact_root": elsewhere.path });
  await tellLater(stored, { artifacts: [{ path: "f", bytes: "f" }] });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { how: { put: 1 } } }] });
  expect(readdirSync(elsewhere.path)).toEqual([]);
});

live("a server that keeps artifacts on a disk that is not seen here is told all but the files, and the reason is said", async () => {
  using stored = await storeFor(mlflow.shared.uri);
  const { experiment } = stored.store.settings.values.tracking.mlflow;
  await ask(mlflow.shared.uri, "experiments/create", { name: experiment, artifact_location: "/proc/no/such/disk" });
  const { run } = await tellLater(stored, { params: { a: "1" }, artifacts: [{ path: "f", bytes: "f" }] });
  const report = await sync(stored);
  expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] });
  expect(report.runs[0]?.error?.hint).toContain("--artifacts-destination");
  expect((await seenOn(mlflow.shared.uri, run))[0]).toMatchObject({ status: "FINISHED", params: { a: "1" }, artifacts: {} });
});

live("damaged bytes are never sent: their entry fails with the reason, and the others go on", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run, artifacts } = await tellLater(stored, {
    artifacts: [
      { path: "bad.bin", bytes: bytes(4) },
      { path: "good.bin", bytes: bytes(5) },
    ],
  });
  const { path } = locate(stored.store, blobOf(stored.store, artifacts[0] as ArtifactRow));
  chmodSync(path, 0o644);
  writeFileSync(path, bytes(6));
  expect(await sync(stored)).toMatchObject({ left: 1, files: 1, runs: [{ state: "pending", error: { code: "CORRUPT" } }] });
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ status: "FINISHED", artifacts: { "good.bin": LARGE } });
  expect(stored.store.db.query("SELECT count(*) AS n FROM outbox WHERE step = 'artifact' AND error LIKE '%are not those%'").get()).toEqual({
    n: 1,
  });
  writeFileSync(path, bytes(4));
  expect(await sync(stored)).toMatchObject({ synced: 1, files: 1 });
});

live("the newest of several versions at one path is what lies there; what overlaps otherwise is an error that says so", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const versions = [
    { path: "model", name: `m ${Bun.randomUUIDv7()}`, bytes: "old" },
    { path: "model", name: `n ${Bun.randomUUIDv7()}`, bytes: "new" },
  ];
  const { run } = await tellLater(stored, { artifacts: versions });
  expect(await sync(stored)).toMatchObject({ synced: 1, files: 1 });
  const [seen] = await seenOn(mlflow.proxied.uri, run);
  expect(Buffer.from(await readArtifact(mlflow.proxied, seen?.id as string, "model")).toString()).toBe("new");

  await stored.add({ run, path: "model/inside", bytes: "x" });
  say(stored, run, {});
  const report = await sync(stored);
  expect(report).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "COLLISION" } }] });
  expect(report.runs[0]?.error?.hint).toContain("--as");
});

live("a file that is an artifact beside the directory that holds it lies there once", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "models", files: { "best.pt": "weights", "last.pt": "l" } },
      { path: "models/best.pt", name: `best ${Bun.randomUUIDv7()}`, bytes: "weights" },
    ],
  });
  expect(await sync(stored)).toMatchObject({ synced: 1, files: 2 });
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ "models/best.pt": 7, "models/last.pt": 1 });
});

live("links and empty directories inside a directory are left out, and said", async () => {
  using root = temporaryRoot();
  using stored = await storeFor(mlflow.proxied.uri);
  mkdirSync(root.at("d/void"), { recursive: true });
  writeFileSync(root.at("d/file"), "f");
  symlinkSync("file", root.at("d/link"));
  const { run } = await log(stored.store, {
    run: undefined,
    paths: [{ source: root.at("d") }],
    particulars: {},
    metrics: [],
    params: [],
    tags: [],
  });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, files: 1 });
  expect(report.runs[0]?.notes.map((note) => note.split(" ").slice(0, 5).join(" "))).toEqual([
    "d/link is a link (to",
    "d/void is an empty directory:",
  ]);
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ "d/file": 1 });
});

live("what rm took out of sight before it was sent is not sent", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run, artifacts } = await tellLater(stored, {
    artifacts: [
      { path: "secret", bytes: "s" },
      { path: "open", bytes: "o" },
    ],
  });
  remove(stored.store, { kind: "artifact", artifact: artifacts[0] as ArtifactRow });
  expect(await sync(stored)).toMatchObject({ synced: 1, files: 1 });
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ open: 1 });
});

live("an upload that was cut on its way, and published, is found by reading back and sent again", async () => {
  const cut = (text: string): string => {
    const end = text.indexOf("\r\n\r\n") + 4;
    return text.slice(0, end).replace(/content-length: \d+/i, "Content-Length: 4") + text.slice(end, end + 4);
  };
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.startsWith("PUT") && nth === 1 ? { rewrite: cut } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "weights", bytes: "0123456789" }] });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(report.runs[0]?.notes).toEqual(["the server has 4 of the 10 bytes of weights: sent again"]);
  expect(proxy.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(2);
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.artifacts).toEqual({ weights: 10 });
});

live("--check finds a file that was lost or cut on the server, and only that is sent again", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, {
    artifacts: [
      { path: "a", bytes: "aaaa" },
      { path: "b", bytes: "bbbb" },
    ],
  });
  await sync(stored);
  const [seen] = await seenOn(mlflow.proxied.uri, run);
  truncateSync(join(mlflow.proxied.artifacts, seen?.experiment as string, seen?.id as string, "artifacts/b"), 1);
  await ask(mlflow.proxied.uri, "runs/update", { run_id: seen?.id, status: "RUNNING" });
  proxy.requests.length = 0;
  expect(await sync(stored, { check: true })).toMatchObject({ synced: 1, files: 1 });
  expect(proxy.requests.map(short).filter((request) => request.startsWith("PUT"))).toEqual(["PUT b"]);
  expect((await seenOn(mlflow.proxied.uri, run))[0]).toMatchObject({ status: "FINISHED", artifacts: { a: 4, b: 4 } });
  proxy.requests.length = 0;
  expect(await sync(stored, { check: true })).toMatchObject({ runs: [], left: 0 });
  expect(proxy.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
});
