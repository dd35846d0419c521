import { test as bunTest, expect } from "bun:test";
import { coffer } from "../support/coffer.ts";
import { mountDisk, needsDisk } from "../support/disk/mount-disk.ts";
import type { Fault, Request } from "../support/disk/faults.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { diskAfter } from "./crash.ts";
import { TRIED, openPlace } from "./failing.ts";
import { fingerprint, layOut } from "./lay-out.ts";
import { prepareSources } from "./sources.ts";

const test = needsDisk(bunTest);

const DATABASE = "/coffer\\.db$";
const LOG = "/coffer\\.db-wal$";
const STAGING = "/tmp/";
const BINARIES = "/binaries";
const MANIFESTS = "/manifests";
const WORKSPACE = "/work/";

/** Which requests fail, where. COFFER_FAULTS=all tries each of them with each command, which takes minutes. */
const EVERYWHERE: readonly [Request, string][] = (
  ["create", "write", "sync", "rename", "link", "unlink", "mkdir", "mode", "truncate", "open", "read", "list"] as const
).flatMap((on) => [DATABASE, LOG, STAGING, BINARIES, MANIFESTS, WORKSPACE, "^[0-9]+$"].map((path): [Request, string] => [on, path]));

const FAULTS: Readonly<Record<keyof typeof TRIED, readonly [Request, string][]>> = {
  "log of a file": [
    ["create", LOG],
    ["write", LOG],
    ["write", STAGING],
    ["sync", STAGING],
    ["sync", BINARIES],
    ["link", BINARIES],
    ["mkdir", STAGING],
    ["read", STAGING],
    ["rename", MANIFESTS],
  ],
  "log of a pack": [
    ["write", STAGING],
    ["sync", STAGING],
    ["mode", BINARIES],
    ["unlink", STAGING],
    ["sync", LOG],
  ],
  "a scratch run": [
    ["create", STAGING],
    ["sync", WORKSPACE],
    ["open", WORKSPACE],
    ["unlink", WORKSPACE],
    ["sync", BINARIES],
    ["mkdir", STAGING],
    ["mkdir", WORKSPACE],
    ["mode", BINARIES],
    ["list", WORKSPACE],
  ],
  "a run that fails": [
    ["write", STAGING],
    ["sync", STAGING],
    ["read", WORKSPACE],
    ["link", BINARIES],
    ["write", MANIFESTS],
  ],
  "gc --apply": [
    ["write", STAGING],
    ["sync", STAGING],
    ["rename", BINARIES],
    ["read", BINARIES],
    ["list", BINARIES],
    ["read", MANIFESTS],
    ["sync", LOG],
    ["mkdir", STAGING],
  ],
  "get -o": [
    ["open", BINARIES],
    ["read", BINARIES],
    ["read", DATABASE],
  ],
  "get of a directory": [
    ["rename", STAGING],
    ["read", BINARIES],
    ["mkdir", STAGING],
  ],
  verify: [
    ["read", BINARIES],
    ["open", BINARIES],
    ["list", BINARIES],
    ["list", MANIFESTS],
  ],
  alias: [
    ["write", LOG],
    ["sync", LOG],
    ["write", MANIFESTS],
    ["sync", MANIFESTS],
  ],
};

const isAll = process.env["COFFER_FAULTS"] === "all";

for (const [name, tried] of Object.entries(TRIED))
  test(
    `a disk that fails during ${name}: the exit code is right, nothing is lost or half-done, and the next command goes on`,
    async () => {
      await using place = await openPlace();
      const wrong: string[] = [];
      for (const [on, path] of isAll ? EVERYWHERE : FAULTS[name as keyof typeof TRIED])
        for (const times of [1, Infinity]) {
          const met = await place.meet(tried, { on, path, how: "EIO", ...(times === 1 && { times }) });
          if (met?.wrong.length) wrong.push(`${on} ${path} ${times}: ${met.wrong.join("\n  ")}`);
          if (!met && !isAll) wrong.push(`${on} ${path} is not asked for`);
        }
      expect(wrong).toEqual([]);
    },
    isAll ? 600_000 : 60_000,
  );

test("reads that give less than was asked for are gone on with, and other bytes than were stored are never handed out", async () => {
  await using place = await openPlace();
  const reads = async (name: keyof typeof TRIED, path: string, how: Fault["how"]) => {
    const met = await place.meet(TRIED[name], { on: "read", path, how, ...(how === "flip" && { times: 1 }) });
    return [met?.result.code, met?.wrong];
  };
  for (const [name, path] of [
    ["log of a file", DATABASE],
    ["log of a file", STAGING],
    ["get -o", BINARIES],
    ["get of a directory", BINARIES],
    ["verify", BINARIES],
    ["gc --apply", BINARIES],
    ["a scratch run", WORKSPACE],
  ] as const)
    expect([name, path, ...(await reads(name, path, "short"))]).toEqual([name, path, 0, []]);
  expect(await reads("get -o", BINARIES, "flip")).toEqual([1, []]);
  expect(await reads("get of a directory", BINARIES, "flip")).toEqual([1, []]);
  expect(await reads("verify", BINARIES, "flip")).toEqual([1, []]);
  expect(await reads("gc --apply", BINARIES, "flip")).toEqual([3, []]);
});

test("a file that cannot be read is named, with what to do", async () => {
  await using place = await openPlace();
  const met = await place.meet(TRIED["get -o"], { on: "read", path: BINARIES, how: "EIO" });
  expect(met?.result.stderr).toMatch(
    /binaries\/default\/file_-_[0-9a-f]{12} cannot be read: its disk reports errors.*\n.*hint: .*coffer verify --repair/,
  );
});

/** Logs `source` while one flush fails, and once more; then the machine stops. */
async function logTwice(fault: Fault, source: "big" | "many", stopsAfter: "failing" | "trying again"): Promise<string[]> {
  using root = temporaryRoot();
  prepareSources(root);
  await using disk = await mountDisk(root.at("disk"));
  const options = { root: root.at("disk/store"), cwd: root.path };
  await coffer(["log", "other", "--name", "other"], options);
  disk.arm([fault]);
  const first = await coffer(["log", source, "--name", "kept"], options);
  expect([first.code, disk.met().length > 0]).toEqual([1, true]);
  disk.arm([]);
  const failed = disk.operations().findIndex(({ op }) => op === "lost");
  if (stopsAfter === "trying again") expect((await coffer(["log", source, "--name", "kept"], options)).code).toBe(0);
  const operations = disk.operations();
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (let at = stopsAfter === "failing" ? failed : operations.length; at <= operations.length; at++)
    for (const variant of ["durable", "names", "holes", "all"] as const) {
      const image = diskAfter(operations, at, variant);
      if (seen.has(fingerprint(image))) continue;
      seen.add(fingerprint(image));
      using found = layOut(image);
      const after = { root: `${found.path}/store`, cwd: root.path };
      const listed = await coffer(["ls", "--json"], after);
      const verified = await coffer(["verify"], after);
      const isKept = listed.stdout.includes('"kept@v1"');
      if (listed.code !== 0 || verified.code !== 0 || (stopsAfter === "trying again" && !isKept))
        wrong.push(`${at} ${variant}: ${isKept} ${listed.stderr}${verified.stderr}`);
    }
  return wrong;
}

test("a flush that failed is not trusted when it works the next time: the bytes are written anew", async () => {
  const flush = (path: string): Fault => ({ on: "sync", path, how: "EIO", times: 1 });
  expect(await logTwice(flush("/tmp/.*blob"), "big", "trying again")).toEqual([]);
  expect(await logTwice(flush("/tmp/.*pack"), "many", "trying again")).toEqual([]);
  expect(await logTwice(flush("/binaries/default$"), "big", "trying again")).toEqual([]);
});

test("a commit of which the flush failed may show after a crash all the same: the bytes that it names are there then", async () => {
  // the log's header, the lease, the commit itself
  expect(await logTwice({ on: "sync", path: LOG, how: "EIO", after: 2, times: 1 }, "big", "failing")).toEqual([]);
  // a disk that finds itself full with the flush, as some network systems do, and stays so: it is asked what is wrong with it
  expect(await logTwice({ on: "sync", path: `${LOG}|probe-`, how: "ENOSPC", after: 2 }, "big", "failing")).toEqual([]);
});
