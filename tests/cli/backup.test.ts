import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done, words } from "./words.ts";

interface Made {
  path: string;
  runs: number;
  artifacts: number;
  bytes: { files: number; bytes: number } | null;
  failed: { path: string; error: string }[];
}

/** A large file, a pack, a directory, a finished run with a workspace, a pin and an alias. */
async function fill(root: TemporaryRoot): Promise<void> {
  const options = { root: root.at("s"), cwd: root.path };
  writeFileSync(root.at("model.onnx"), "m".repeat(300_000));
  await done(["log", "model.onnx", "--name", "net", "--type", "model"], options);
  mkdirSync(root.at("many"));
  for (let nth = 0; nth < 40; nth++) writeFileSync(root.at("many", `${nth}.csv`), `file ${nth}`);
  await done(["log", "many", "--name", "data"], options);
  await done(["run", "--quiet", "--input", "data", "--param", "lr=0.1", "--", "sh", "-c", 'echo x >"$COFFER_WORKSPACE/out.txt"'], options);
  await done(["pin", "net", "--note", "of\u2028two lines"], options);
  await done(["alias", "net", "best"], options);
}

const list = async (root: string) => (await done(["ls", "--json", "--limit", "0"], { root })).json<{ artifacts: unknown[] }>();

test("a backup with bytes is a whole store", async () => {
  using root = temporaryRoot();
  await fill(root);
  const [store, copy] = [root.at("s"), root.at("deep/copy")];
  const made = (await done(["backup", copy, "--with-bytes", "--json"], { root: store })).json<Made>();
  expect([made.path, made.runs, made.artifacts, made.failed]).toEqual([copy, 3, 3, []]);
  expect(await list(copy)).toEqual(await list(store));
  for (const words of [["show", "net@best"], ["show", "data", "--files"], ["runs"], ["lineage", "data", "--format", "json"]])
    expect((await done([...words, ...(words[0] === "lineage" ? [] : ["--json"])], { root: copy })).stdout).toBe(
      (await done([...words, ...(words[0] === "lineage" ? [] : ["--json"])], { root: store })).stdout,
    );
  // nobody replaced what the backup itself wrote
  expect(words((await done(["verify"], { root: copy })).stderr)).toBe("coffer: 43 blobs, 296 KiB: all whole\n");
  for (const [ref, path] of [
    ["net", "model.onnx"],
    ["data/7.csv", "many/7.csv"],
  ] as const) {
    const got = (await done(["get", ref], { root: copy })).stdout.trim();
    expect(got.startsWith(copy)).toBe(true);
    expect(readFileSync(got)).toEqual(readFileSync(root.at(path)));
  }
  expect(readdirSync(join(copy, "manifests")).toSorted()).toEqual(readdirSync(join(store, "manifests")).toSorted());
  expect(readFileSync(join(copy, "manifests/journal.jsonl"), "utf8")).toBe(readFileSync(join(store, "manifests/journal.jsonl"), "utf8"));
});

test("its bytes are its own, and neither leases nor a log nor a half-made directory is left", async () => {
  using root = temporaryRoot();
  await fill(root);
  await done(["get", "data"], { root: root.at("s") });
  const made = (await done(["backup", root.at("copy"), "--with-bytes", "--json"], { root: root.at("s") })).json<Made>();
  const files = readdirSync(root.at("copy/binaries"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  let total = 0;
  for (const entry of files) {
    const { nlink, mode, size } = statSync(join(entry.parentPath, entry.name));
    expect([nlink, mode & 0o777]).toEqual([1, 0o444]);
    total += size;
  }
  expect(made.bytes).toEqual({ files: files.length, bytes: total });
  expect(readdirSync(root.at("copy")).toSorted()).toEqual(["binaries", "coffer.db", "manifests"]);
  expect(readdirSync(root.path).filter((name) => name.startsWith("."))).toEqual([]);
  using db = new Database(root.at("copy/coffer.db"), { readonly: true });
  const count = (table: string): unknown => db.query(`SELECT count(*) AS n FROM ${table}`).get();
  expect(["leases", "lease_blobs", "cache_entries"].map(count)).toEqual([{ n: 0 }, { n: 0 }, { n: 0 }]);
  // no workspace of the store is taken for one of the backup
  expect(db.query("SELECT DISTINCT workspace_state AS state FROM runs WHERE workspace IS NOT NULL").all()).toEqual([{ state: "removed" }]);
  expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
  using own = new Database(root.at("s/coffer.db"), { readonly: true });
  expect(own.query("SELECT kind FROM leases").all()).toEqual([{ kind: "read" }]);
});

test("without bytes it is the rows, for the place of a lost database", async () => {
  using root = temporaryRoot();
  await fill(root);
  const before = await list(root.at("s"));
  chmodSync(root.at("s/coffer.db"), 0o600);
  mkdirSync(root.at("copy"), { mode: 0o750 });
  const { stdout, stderr } = await done(["backup", "copy"], { root: root.at("s"), cwd: root.path });
  expect(stdout).toBe(`${root.at("copy")}\n`);
  expect(words(stderr).replace(/[0-9.]+ KiB/, "SIZE")).toBe(
    "coffer: 3 runs and 3 artifacts are backed up (SIZE); the bytes are not (--with-bytes)\n",
  );
  expect(readdirSync(root.at("copy")).toSorted()).toEqual(["coffer.db", "manifests"]);
  expect([root.at("copy"), root.at("copy/coffer.db")].map((path) => statSync(path).mode & 0o777)).toEqual([0o750, 0o600]);
  for (const name of ["coffer.db", "coffer.db-wal", "coffer.db-shm"]) rmSync(root.at("s", name), { force: true });
  linkSync(root.at("copy/coffer.db"), root.at("s/coffer.db"));
  expect(await list(root.at("s"))).toEqual(before);
  expect((await done(["verify"], { root: root.at("s") })).stderr).toContain("all whole");
});

test.each([
  ["a directory that holds something", "full", "is not empty"],
  ["a file", "file", "is no directory"],
  ["the store itself", "s/backup", "lies inside"],
  ["a link into the store", "link/backup", "lies inside"],
])("%s is refused, and nothing is changed", async (_, to, why) => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "mine");
  await done(["log", "file"], { root: root.at("s"), cwd: root.path });
  mkdirSync(root.at("full"));
  writeFileSync(root.at("full/mine"), "");
  await Bun.spawn(["ln", "-s", "s/binaries", root.at("link")]).exited;
  const before = readdirSync(root.path, { recursive: true }).toSorted();
  const { code, stderr, stdout } = await coffer(["backup", to, "--with-bytes"], { root: root.at("s"), cwd: root.path });
  expect([code, stdout]).toEqual([5, ""]);
  expect(stderr).toContain(why);
  expect(readdirSync(root.path, { recursive: true }).toSorted()).toEqual(before);
});

test("bytes that are damaged in the store are named, and the rest is backed up", async () => {
  using root = temporaryRoot();
  await fill(root);
  const path = (await done(["get", "net"], { root: root.at("s") })).stdout.trim();
  chmodSync(path, 0o644);
  writeFileSync(path, "damaged");
  const { code, stderr, stdout } = await coffer(["backup", "copy", "--with-bytes", "--json"], { root: root.at("s"), cwd: root.path });
  expect(code).toBe(3);
  expect((JSON.parse(stdout) as Made).failed.map((one) => root.at("s", one.path))).toEqual([path]);
  expect(stderr).toContain("is not whole in it: the bytes in");
  expect(existsSync(path.replace(root.at("s"), root.at("copy")))).toBe(false);
  expect((await done(["get", "data/3.csv"], { root: root.at("copy") })).code).toBe(0);
});

test("a flipped byte that no stamp shows is found on the way, in files and in packs", async () => {
  using root = temporaryRoot();
  await fill(root);
  const options = { root: root.at("s"), cwd: root.path };
  const file = (await done(["get", "net"], options)).stdout.trim();
  const packs = root.at("s/binaries/default/packs");
  const pack = join(packs, readdirSync(packs)[0] as string);
  for (const path of [file, pack]) {
    const bytes = readFileSync(path);
    const at = Math.max(bytes.indexOf("file 7"), 0);
    bytes[at] = (bytes[at] as number) ^ 1;
    const { atime, mtime } = statSync(path);
    chmodSync(path, 0o644);
    writeFileSync(path, bytes);
    chmodSync(path, 0o444);
    utimesSync(path, atime, mtime);
  }
  using db = new Database(root.at("s/coffer.db"));
  for (const [table, path] of [
    ["blobs", file],
    ["packs", pack],
  ] as const) {
    const { mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
    db.query(`UPDATE ${table} SET mtime_ns = ?, ctime_ns = ?, inode = ? WHERE path = ?`).run(
      mtimeNs,
      ctimeNs,
      ino,
      relative(root.at("s"), path),
    );
  }
  const { code, stdout } = await coffer(["backup", "copy", "--with-bytes", "--json"], options);
  const { failed } = JSON.parse(stdout) as Made;
  expect([code, failed.map((one) => root.at("s", one.path)).toSorted()]).toEqual([3, [file, pack].toSorted()]);
  expect(failed.find((one) => root.at("s", one.path) === pack)?.error).toMatch(
    /^1 of its 41 blobs are damaged in the store: blake3:[0-9a-f]{64}$/,
  );
  // the others in the pack are there
  expect((await done(["get", "data/3.csv"], { root: root.at("copy") })).code).toBe(0);
  expect((await coffer(["get", "data/7.csv"], { root: root.at("copy") })).code).toBe(1);
});

test("claimed sizes that add up to more than an integer holds are no hindrance", async () => {
  using root = temporaryRoot();
  await fill(root);
  {
    using db = new Database(root.at("s/coffer.db"));
    const claim =
      "INSERT INTO blobs (sha256, size, state, dataset, place, path, created_at) VALUES (randomblob(32), 1 << 62, 'unverified', 'default', 'foreign', hex(randomblob(8)), 1)";
    for (let nth = 0; nth < 3; nth++) db.run(claim);
  }
  const made = (await done(["backup", root.at("copy"), "--with-bytes", "--json"], { root: root.at("s") })).json<{ foreign: object }>();
  expect(made.foreign).toEqual({ files: 3, bytes: 3 * 2 ** 62 });
});

test("an interrupted backup leaves nothing", async () => {
  using root = temporaryRoot();
  for (let nth = 0; nth < 300; nth++) writeFileSync(root.at(`m${nth}.onnx`), `${nth}`.repeat(50_000));
  await done(["log", "--type", "model", "--quiet", ...Array.from({ length: 300 }, (_, nth) => `m${nth}.onnx`)], {
    root: root.at("s"),
    cwd: root.path,
  });
  const child = spawnCoffer(["backup", root.at("b/copy"), "--with-bytes"], { root: root.at("s") });
  // it has begun when its directory is there
  while (!existsSync(root.at("b")) || readdirSync(root.at("b")).length === 0) await Bun.sleep(1);
  child.kill("SIGTERM");
  expect([await child.exited, readdirSync(root.at("b"))]).toEqual([143, []]);
  using db = new Database(root.at("s/coffer.db"), { readonly: true });
  expect(db.query("SELECT count(*) AS n FROM leases").get()).toEqual({ n: 0 });
});

test("while others log and gc deletes, each row of a backup finds its bytes", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  writeFileSync(root.at("first"), "first");
  await done(["log", "first", "--name", "v", "--type", "model"], options);
  let going = true;
  const logging = [0, 1].map(async (who) => {
    for (let nth = 0; going; nth++) {
      const name = `f${who}-${nth % 3}`;
      writeFileSync(root.at(name), `${who} ${nth} ${"x".repeat(nth % 5 === 0 ? 200_000 : 100)}`);
      await done(["log", name, "--name", "v", "--type", "model"], options);
    }
  });
  const pruning = (async () => {
    // 3: something that another process wants again stays
    while (going)
      expect([0, 3]).toContain(
        (await coffer(["gc", "--max-versions", "2", "--orphans", "--grace", "0", "--apply", "--json"], options)).code ?? -1,
      );
  })();
  try {
    for (let nth = 0; nth < 4; nth++) {
      const copy = root.at(`copy-${nth}`);
      const made = (await done(["backup", copy, "--with-bytes", "--json"], options)).json<Made>();
      expect(made.failed).toEqual([]);
      const { stderr } = await done(["verify"], { root: copy });
      expect(stderr).toContain("all whole");
      expect((await done(["get", "v"], { root: copy })).code).toBe(0);
    }
  } finally {
    going = false;
    await Promise.all([...logging, pruning]);
  }
  expect((await done(["verify"], options)).stderr).toContain("all whole");
}, 60_000);
