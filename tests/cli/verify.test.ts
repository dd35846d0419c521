import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { VerifyReport } from "../../src/cli/verify/report.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";
import type { JsonError } from "./words.ts";

/** The path of the stored file whose name has this. */
const fileOf = (here: Place, part: string): string =>
  join(here.root, "binaries", here.binaries().find((name) => name.includes(part)) as string);

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

async function verify(here: Place, ...args: string[]): Promise<VerifyReport & { code: number | null; words: string }> {
  const result = await here.coffer(["verify", "--json", ...args]);
  return { ...result.json<VerifyReport>(), code: result.code, words: result.stderr };
}

test("damage is told with the artifacts and runs that it hits, shown by show, refused by get, and gone after --repair", async () => {
  using here = place();
  await here.run("echo the model >$W/m.bin; mkdir $W/d; echo inner >$W/d/x.txt", ["--register", "model=m.bin"]);
  const { id } = await here.shown();
  flip(fileOf(here, ".bin"), 2);
  flip(fileOf(here, ".txt"), 2);
  const found = await verify(here);
  expect(found).toMatchObject({ code: 1, repair: null, interrupted: false });
  expect(found.damage.map(({ what, artifacts }) => [what, artifacts.map(({ ref, run, path }) => [ref, run, path])]).toSorted()).toEqual([
    ["changed", [[`${id}/d`, id, "d/x.txt"]]],
    ["changed", [["model@v1", id, "m.bin"]]],
  ]);
  expect(found.words).toContain("coffer verify --repair");
  expect((await here.artifact("model")).damage).toMatchObject([{ what: "changed" }]);
  expect((await here.artifact(`${id}/d`)).damage).toHaveLength(1);
  expect((await here.coffer(["show", "model"])).stdout).toContain("damaged");
  expect((await here.coffer(["get", "model"])).code).toBe(1);

  const mended = await verify(here, "--repair");
  expect(mended).toMatchObject({ code: 0, damage: [] });
  expect(mended.repair?.repaired.map(({ from }) => from)).toEqual(["workspace", "workspace"]);
  expect(readdirSync(join(here.root, "damaged")).length).toBe(2);
  expect([await here.bytes("model"), (await here.artifact("model")).damage]).toEqual(["the model\n", []]);
  expect(await verify(here)).toMatchObject({ code: 0, damage: [], touched: [], strays: [] });
});

test("a flipped byte that left no trace on its file is not handed out any more once verify has found it", async () => {
  using here = place();
  await here.run("echo the model >$W/m.bin", ["--register", "model=m.bin"]);
  flip(fileOf(here, ".bin"), 2);
  // as if the disk had done it: the row has the stamp of the file as it is now
  {
    const stat = statSync(fileOf(here, ".bin"), { bigint: true });
    using db = new Database(`${here.root}/coffer.db`);
    db.run("UPDATE blobs SET mtime_ns = ?, ctime_ns = ?, inode = ? WHERE path LIKE '%.bin'", [stat.mtimeNs, stat.ctimeNs, stat.ino]);
  }
  expect((await here.coffer(["get", "model"])).code).toBe(0);
  expect((await verify(here)).code).toBe(1);
  expect((await here.coffer(["get", "model"])).code).toBe(1);
  // and whoever logs the same bytes mends it
  here.write("same", "the model\n");
  expect((await here.coffer(["log", "same"])).code).toBe(0);
  expect([await here.bytes("model"), (await verify(here)).damage]).toEqual(["the model\n", []]);
});

test("what nobody has a copy of stays named, with what to do; a backup that is named brings it back", async () => {
  using here = place();
  await here.run("echo the model >$W/m.bin", ["--register", "model=m.bin"]);
  expect((await here.coffer(["backup", "saved", "--with-bytes"])).code).toBe(0);
  rmSync(join(here.root, "work"), { recursive: true });
  rmSync(fileOf(here, ".bin"));
  const lost = await verify(here, "--repair");
  expect(lost).toMatchObject({ code: 1, damage: [{ what: "missing", artifacts: [{ ref: "model@v1" }] }], repair: { repaired: [] } });
  expect(lost.words).toContain("--from DIR");
  expect(await verify(here, "--repair", "--from", "saved")).toMatchObject({
    code: 0,
    damage: [],
    repair: { repaired: [{ from: "directory", source: expect.stringContaining(here.at("saved")) }] },
  });
});

test("indexes of the database are made anew from its rows; where rows are damaged too, rebuild is named and nothing is touched", async () => {
  using here = place();
  await here.run("echo 1 >$W/m.bin", ["--register", "model=m.bin"]);
  const file = `${here.root}/coffer.db`;
  let page: number;
  {
    using db = new Database(file);
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    page = (db.query("SELECT rootpage FROM sqlite_schema WHERE name = 'artifacts_by_type'").get() as { rootpage: number }).rootpage;
  }
  for (const beside of ["-wal", "-shm"]) rmSync(`${file}${beside}`, { force: true });
  const bytes = readFileSync(file);
  const at = bytes.subarray((page - 1) * 4096, page * 4096).indexOf("model");
  expect(at).toBeGreaterThan(0);
  bytes.write("nodel", (page - 1) * 4096 + at);
  writeFileSync(file, bytes);
  const found = await verify(here);
  expect([found.code, new Set(found.damage.map(({ what }) => what))]).toEqual([1, new Set(["database"])]);
  expect(found.words).toContain("only indexes");
  expect(await verify(here, "--repair")).toMatchObject({ code: 0, damage: [], repair: { repaired: [{ from: "itself", path: file }] } });
  expect(await verify(here)).toMatchObject({ code: 0, damage: [] });

  const whole = readFileSync(file);
  const inRow = whole.lastIndexOf((await here.artifact("model")).digest);
  whole.write("f00df00d", inRow + 10);
  for (const beside of ["-wal", "-shm"]) rmSync(`${file}${beside}`, { force: true });
  writeFileSync(file, whole);
  const rows = await verify(here, "--repair");
  expect([rows.code, rows.repair?.repaired, rows.damage[0]?.what]).toEqual([1, [], "database"]);
  expect(rows.words).toContain("coffer rebuild");
});

test("a lost database is damage, and not the end of it", async () => {
  using here = place();
  await here.run("echo 1 >$W/m.bin");
  for (const name of readdirSync(here.root).filter((name) => name.startsWith("coffer.db"))) rmSync(join(here.root, name));
  const lost = await verify(here, "--repair");
  expect(lost).toMatchObject({ code: 1, blobs: 0, damage: [{ what: "database", path: join(here.root, "coffer.db") }] });
  expect(lost.words).toContain("coffer rebuild");
});

test("files that no row names are told apart from damage", async () => {
  using here = place();
  await here.run("echo 1 >$W/m.bin");
  writeFileSync(join(here.root, "binaries/default/model_-_0123456789ab.bin"), "whose?");
  const found = await verify(here);
  expect(found).toMatchObject({ code: 0, damage: [], strays: [{ path: "binaries/default/model_-_0123456789ab.bin", bytes: 6 }] });
});

test("an interruption says what was found so far, and --resume goes on behind it", async () => {
  using here = place();
  for (const name of ["hurt", "read", "slow", "last"]) {
    here.write(name, `what is ${name}`);
    expect((await here.coffer(["log", name, "--name", name])).code).toBe(0);
  }
  const slow = fileOf(here, (await here.artifact("slow")).digest.slice(7, 19));
  flip(fileOf(here, (await here.artifact("hurt")).digest.slice(7, 19)), 5);
  const makeLong = (size: number): void => {
    truncateSync(slow, size);
    using db = new Database(`${here.root}/coffer.db`);
    db.run("UPDATE blobs SET size = ? WHERE path = ?", [size, slow.slice(here.root.length + 1)]);
    db.run("UPDATE artifacts SET size = ? WHERE blob = (SELECT seq FROM blobs WHERE path = ?)", [size, slow.slice(here.root.length + 1)]);
  };
  // a hole takes no room, and some seconds to read
  makeLong(40e9);
  const child = spawnCoffer(["verify", "--json"], { cwd: here.path, env: { COFFER_ROOT: here.root } });
  await waitUntil(() => readdirSync(`/proc/${child.pid}/fd`).some((fd) => linkOf(`/proc/${child.pid}/fd/${fd}`) === slow));
  child.kill("SIGINT");
  const [stdout, words] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect([child.exitCode, words.includes("--resume")]).toEqual([130, true]);
  expect(JSON.parse(stdout)).toMatchObject({ interrupted: true, blobs: 2, damage: [{ what: "changed", artifacts: [{ path: "hurt" }] }] });
  makeLong("what is slow".length);
  // the hole is gone, and so are the bytes
  chmodSync(slow, 0o644);
  writeFileSync(slow, "what is slow");
  chmodSync(slow, 0o444);
  // what is damaged is read again, and what was whole is not
  expect(await verify(here, "--resume")).toMatchObject({ code: 1, blobs: 3, damage: [{ artifacts: [{ path: "hurt" }] }] });
  expect((await verify(here, "--resume")).blobs).toBe(4);
});

async function waitUntil(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5);
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

test("gc takes neither a workspace, nor a stray, nor an older version whose bytes may be the last good ones", async () => {
  using here = place();
  await here.run("echo one >$W/m.bin", ["--register", "model=m.bin"]);
  await here.run("echo two >$W/m.bin", ["--register", "model=m.bin"]);
  writeFileSync(join(here.root, "binaries/default/stray"), "two\n");
  const newest = (await here.artifact("model")).digest.slice(7, 19);
  rmSync(join(here.root, "binaries", here.binaries().find((name) => name.includes(newest)) as string));
  const plan = (await here.coffer(["gc", "--workspaces", "--max-versions", "1", "--grace", "0", "--json"])).json<{
    items: { kind: string; what: string }[];
    kept: { what: string; because: string }[];
  }>();
  // even before anybody has looked: a stat of the file tells
  expect(plan.items.filter(({ kind }) => kind === "workspace")).toHaveLength(1);
  await verify(here);
  const after = (await here.coffer(["gc", "--workspaces", "--max-versions", "1", "--grace", "0", "--json"])).json<typeof plan>();
  expect(after.items.map(({ kind }) => kind)).not.toContain("file");
  expect(after.items.map(({ kind }) => kind)).not.toContain("artifact");
  expect(after.kept.map(({ because }) => because).join("\n")).toContain("newer versions of it are damaged");
  expect((await verify(here, "--repair")).code).toBe(0);
  const free = (await here.coffer(["gc", "--workspaces", "--max-versions", "1", "--grace", "0", "--json"])).json<typeof plan>();
  expect(free.items.map(({ kind }) => kind).toSorted()).toEqual(["artifact", "file", "workspace", "workspace"]);
});

test("copies in the cache of what is damaged stay there, and are said", async () => {
  using here = place();
  await here.run("mkdir $W/d; for i in $(seq 40); do echo $i >$W/d/$i; done");
  const { id } = await here.shown();
  const { path } = (await here.coffer(["get", `${id}/d`, "--json"])).json<{ path: string }>();
  rmSync(join(here.root, "work"), { recursive: true });
  rmSync(fileOf(here, ".tar"));
  expect((await verify(here)).code).toBe(1);
  const cleared = await here.coffer(["cache", "clear"]);
  expect([existsSync(path), cleared.stderr.includes("--repair may need it")]).toEqual([true, true]);
  expect(await verify(here, "--repair")).toMatchObject({ code: 0, damage: [] });
});

needsMlflow(test)("what was delivered comes back from the server, and only --repair asks it", async () => {
  using here = place();
  const env = { MLFLOW_TRACKING_URI: mlflow.proxied.uri, MLFLOW_EXPERIMENT_NAME: `repair ${Bun.randomUUIDv7()}` };
  await here.run("echo the model >$W/m.bin", ["--register", "model=m.bin"], { env });
  rmSync(join(here.root, "work"), { recursive: true });
  rmSync(fileOf(here, ".bin"));
  expect((await here.coffer(["verify", "--json"], { env })).json<VerifyReport>().damage).toHaveLength(1);
  const result = await here.coffer(["verify", "--repair", "--json"], { env });
  expect([result.code, result.json<VerifyReport>().repair?.repaired[0]]).toMatchObject([
    0,
    { from: "mlflow", source: expect.stringContaining(mlflow.proxied.uri) },
  ]);
  expect(await here.bytes("model")).toBe("the model\n");
});

needsMount(test)("on a full disk what was found is told, nothing is worse than before, and with room the repair goes on", async () => {
  using here = place();
  using _ = mountSmall(here.root, "8m");
  await here.run("head -c 1500000 /dev/urandom >$W/m.bin", ["--register", "model=m.bin"]);
  expect((await here.coffer(["backup", "saved", "--with-bytes"])).code).toBe(0);
  rmSync(join(here.root, "work"), { recursive: true });
  flip(fileOf(here, ".bin"), 9);
  const filler = join(here.root, "filler");
  const blocks = statfsSync(here.root);
  writeFileSync(filler, Buffer.alloc((blocks.bavail - 80) * blocks.bsize));
  const full = await here.coffer(["verify", "--repair", "--from", "saved", "--json"]);
  expect([full.code, full.json<VerifyReport>().damage.map(({ what }) => what)]).toEqual([1, ["changed"]]);
  expect(full.stderr).toContain("make room");
  expect(here.leftovers()).toEqual([]);
  rmSync(filler);
  expect(await verify(here, "--repair", "--from", "saved")).toMatchObject({
    code: 0,
    damage: [],
    repair: { repaired: [{ from: "directory" }] },
  });
});

test("flags that do not go together are refused", async () => {
  using here = place();
  await here.run("true");
  mkdirSync(here.at("d"));
  for (const args of [
    ["--from", "d"],
    ["--resume", "--sample", "10%"],
    ["--sample", "0"],
    ["--sample", "10"],
    ["--repair", "--from", "nowhere"],
  ]) {
    const result = await here.coffer(["verify", ...args, "--json"]);
    const { hint } = JSON.parse(result.stderr) as JsonError;
    expect([args, result.code, hint]).toEqual([args, 2, expect.stringMatching(/./)]);
  }
});
