import { expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { appears } from "../support/appears.ts";
import { binary, coffer, spawnCoffer } from "../support/coffer.ts";
import { asOrdinaryUser, mountSmall, needsMount, needsTwoUsers } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";
import type { JsonError } from "./words.ts";

const mounted = needsMount(test);
const withUsers = needsTwoUsers(test);
const user = asOrdinaryUser();

type Call = (args: readonly string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>;

/** What a store holds that others look at. */
async function fill(root: TemporaryRoot): Promise<{ root: string; cwd: string }> {
  const options = { root: root.at("disk/s"), cwd: root.path };
  writeFileSync(root.at("f"), "small");
  mkdirSync(root.at("many"));
  for (let i = 0; i < 40; i++) writeFileSync(root.at("many", `${i}`), `${i}`);
  await done(["log", "f", "--name", "kept", "--quiet"], options);
  await done(["log", "many", "--name", "dir", "--quiet"], options);
  await done(["log", "many/7", "--name", "other", "--depends-on", "kept", "--quiet"], options);
  return options;
}

const READS: string[][] = [
  ["ls"],
  ["show", "kept"],
  ["get", "kept"],
  ["lineage", "other"],
  ["runs"],
  ["stats"],
  ["verify"],
  ["gc"],
  ["gc", "why", "kept"],
  ["artifacts", "stats"],
  ["artifacts", "list-orphaned"],
  ["artifacts", "cleanup"],
  ["cache", "stats"],
  ["config", "show"],
];

const WRITES: string[][] = [
  ["log", "f"],
  ["rm", "kept"],
  ["pin", "kept"],
  ["tag", "kept", "a=b"],
  ["alias", "kept@v1", "best"],
  ["gc", "--apply"],
  ["artifacts", "cleanup", "--force"],
  ["cache", "clear"],
  ["cache", "preload", "dir"],
  ["verify", "--repair"],
  ["restore", "kept"],
];

/** What holds of a store that this caller cannot write to, whatever keeps it from that. */
async function isReadOnly(call: Call, root: TemporaryRoot, out: string): Promise<void> {
  const before = listing(root.at("disk/s"));
  for (const args of READS) {
    const { code, stderr } = await call(args);
    expect([args, code, stderr.includes("internal error")]).toEqual([args, 0, false]);
  }
  expect(JSON.parse((await call(["ls", "--json"])).stdout).artifacts).toHaveLength(3);
  expect(readFileSync((await call(["get", "kept"])).stdout.trim(), "utf8")).toBe("small");
  expect((await call(["get", "dir", "-o", join(out, "dir")])).code).toBe(0);
  expect(readdirSync(join(out, "dir"))).toHaveLength(40);
  expect((await call(["backup", join(out, "backup"), "--with-bytes"])).code).toBe(0);
  expect((await coffer(["verify"], { root: join(out, "backup") })).code).toBe(0);
  expect(refusal(await call(["get", "dir", "--json"]))).toMatchObject({
    code: "STORE_UNUSABLE",
    message: expect.stringContaining("cache"),
    hint: expect.stringContaining("-o PATH"),
  });
  for (const args of WRITES) {
    const answer = await call([...args, "--json"]);
    expect([args, answer.code, refusal(answer)]).toMatchObject([
      args,
      1,
      {
        code: "STORE_UNUSABLE",
        message: expect.stringContaining("cannot be opened for writing"),
        hint: expect.stringContaining("writable"),
      },
    ]);
  }
  // losing a run is worse than not running it; who wants it all the same says so
  const ran = root.at("ran");
  const refused = await call(["run", "--", "sh", "-c", `echo > ${ran}`]);
  expect([refused.code, existsSync(ran)]).toEqual([125, false]);
  const untracked = await call(["run", "--untracked-ok", "--", "sh", "-c", "exit 4"]);
  expect([untracked.code, untracked.stderr.includes("not tracked")]).toEqual([4, true]);
  expect(listing(root.at("disk/s"))).toEqual(before);
}

function refusal({ stderr }: { stderr: string }): JsonError {
  return JSON.parse(stderr.trim().split("\n").at(-1) as string) as JsonError;
}

/** Names, sizes and times of all files below. */
function listing(directory: string): string[] {
  const names = readdirSync(directory, { recursive: true }).map(String);
  return names.map((name) => [name, statSync(join(directory, name)).size, statSync(join(directory, name)).mtimeMs].join(" ")).sort();
}

function asUser(options: { root: string; cwd: string }): Call {
  return (args) => coffer(args, { ...options, before: user ?? [], env: { HOME: options.cwd } });
}

/** A run that has logged `late` and keeps the store open, so that the log and its index stay. */
async function openWithLate({ root, cwd }: { root: string; cwd: string }): Promise<{ end(): Promise<void> }> {
  const hold = join(cwd, "hold");
  const script = `"$0" log f --name late --quiet; touch ${hold}; while [ -e ${hold} ]; do sleep 0.05; done`;
  const child = spawnCoffer(["run", "--", "sh", "-c", script, binary()], { root, cwd });
  await appears(hold, child);
  return {
    async end() {
      rmSync(hold);
      expect(await child.exited).toBe(0);
    },
  };
}

mounted("a store on a read-only disk can be read and copied; what writes is refused before it does anything", async () => {
  using root = temporaryRoot();
  using disk = mountSmall(root.at("disk"), "8m");
  const options = await fill(root);
  disk.makeReadOnly();
  await isReadOnly((args) => coffer(args, options), root, root.path);
  const below = await coffer(["log", "f", "--json"], { root: root.at("disk/new/below"), cwd: root.path });
  expect([below.code, refusal(below)]).toMatchObject([1, { code: "STORE_UNUSABLE", hint: expect.stringContaining("that you can write") }]);
});

withUsers("a store of somebody else can be read, and nothing is left in it", async () => {
  using root = temporaryRoot();
  const options = await fill(root);
  chmodSync(root.path, 0o755);
  mkdirSync(root.at("out"));
  chmodSync(root.at("out"), 0o777);
  await isReadOnly(asUser(options), root, root.at("out"));
});

withUsers("a reader who may not write sees what a writer has just committed", async () => {
  using root = temporaryRoot();
  const options = await fill(root);
  chmodSync(root.path, 0o755);
  const run = await openWithLate(options);
  expect(existsSync(join(options.root, "coffer.db-wal"))).toBe(true);
  const { stdout } = await asUser(options)(["ls", "--json"]);
  expect((JSON.parse(stdout) as { artifacts: { name: string }[] }).artifacts.map(({ name }) => name)).toContain("late");
  await run.end();
});

mounted("what only a log holds is read too, although nothing can be made beside it", async () => {
  using root = temporaryRoot();
  using disk = mountSmall(root.at("disk"), "8m");
  const options = await fill(root);
  const db = join(options.root, "coffer.db");
  const run = await openWithLate(options);
  for (const name of [db, `${db}-wal`]) copyFileSync(name, `${name}.copied`);
  await run.end();
  // as a copy of a store lies there that was made while somebody used it
  for (const name of [db, `${db}-wal`]) copyFileSync(`${name}.copied`, name);
  rmSync(`${db}-shm`, { force: true });
  expect(statSync(`${db}-wal`).size).toBeGreaterThan(0);
  utimesSync(db, new Date(0), new Date(0));
  disk.makeReadOnly();
  const found = (await done(["ls", "--json"], options)).json<{ artifacts: { name: string }[] }>();
  expect(found.artifacts.map(({ name }) => name)).toContain("late");
});
