import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import { fillDisk, makeRoom, mountExt4, mountSmall, needsMount } from "../support/mount.ts";
import type { Mounted } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";

const mounted = needsMount(test);
const KINDS: [string, (path: string) => Mounted][] = [
  ["tmpfs", (path) => mountSmall(path, "48m")],
  ["ext4", (path) => mountExt4(path, "56m")],
];

interface Place {
  root: string;
  cwd: string;
}

async function fillStore(root: TemporaryRoot): Promise<Place> {
  const options = { root: root.at("disk/s"), cwd: root.path };
  mkdirSync(root.at("many"));
  for (let i = 0; i < 60; i++) writeFileSync(root.at("many", `${i}`), `${i}`);
  for (const bytes of ["one", "two", "three"]) {
    writeFileSync(root.at("v"), bytes.repeat(100_000));
    await done(["log", "v", "--name", "v", "--quiet"], options);
    writeFileSync(root.at("many/changing"), bytes);
    await done(["log", "many", "--name", "dir", "--quiet"], options);
  }
  return options;
}

/** What holds of any store once there is room: all is whole, nothing is staged, and one can go on. */
async function isWell(options: Place): Promise<void> {
  await done(["log", "v", "--name", "v", "--quiet"], options);
  await done(["verify"], options);
  // 2: a write-ahead log still
  expect(readFileSync(join(options.root, "coffer.db"))[18]).toBe(2);
  expect(readdirSync(join(options.root, "tmp"))).toEqual([]);
  const { items } = (await done(["gc", "--grace", "0", "--json"], options)).json<{ items?: { kind: string }[] }>();
  expect((items ?? []).filter(({ kind }) => kind === "stray" || kind === "staging")).toEqual([]);
}

const READS = [
  ["ls"],
  ["show", "v"],
  ["get", "v"],
  ["lineage", "v"],
  ["runs"],
  ["stats"],
  ["verify"],
  ["gc"],
  ["gc", "why", "v"],
  ["cache", "stats"],
];

for (const [kind, mount] of KINDS)
  mounted(`without a byte left on ${kind}, one can look at everything, and gc makes room`, async () => {
    using root = temporaryRoot();
    using _disk = mount(root.at("disk"));
    const options = await fillStore(root);
    const reserve = join(options.root, "coffer.reserve");
    expect(readdirSync(reserve)).toHaveLength(8);
    fillDisk(root.at("disk"));
    for (const args of READS) {
      const { code, stderr } = await coffer(args, options);
      expect([args, code, stderr.replace(/.*all whole\n/, "")]).toMatchObject([args, 0, expect.not.stringContaining("error")]);
    }
    await done(["get", "dir", "-o", root.at("copy")], options);
    expect(readFileSync(root.at("copy/changing"), "utf8")).toBe("three");
    // what looks only leaves the reserve to whoever makes room
    expect(readdirSync(reserve)).toHaveLength(8);
    for (const args of [
      ["log", "v", "--name", "new"],
      ["run", "--", "true"],
    ])
      expect([args, (await coffer(args, options)).code]).toEqual([args, args[0] === "run" ? 125 : 1]);
    expect((await coffer(["get", "dir", "--json"], options)).stderr).toContain("-o PATH");
    await done(["rm", "dir@v1"], options);
    const { applied } = (await done(["gc", "--apply", "--max-versions", "1", "--grace", "0", "--json"], options)).json<{
      applied: { freed: number };
    }>();
    expect(applied.freed).toBeGreaterThan(600_000);
    await done(["cache", "clear"], options);
    expect(readdirSync(reserve).length).toBeGreaterThan(4);
    makeRoom(root.at("disk"));
    await isWell(options);
    await done(["gc", "--apply"], options);
    expect(readdirSync(reserve)).toHaveLength(8);
    const names = (await done(["ls", "--json"], options)).json<{ artifacts: { name: string; version: number }[] }>().artifacts;
    expect(names.map(({ name, version }) => `${name}@${version}`).sort()).toEqual(["dir@3", "v@3", "v@4"]);
  });

mounted("without its reserve a full disk is still looked at; what a dead process staged goes first", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "48m");
  const options = await fillStore(root);
  rmSync(join(options.root, "coffer.reserve"), { recursive: true });
  fillDisk(root.at("disk"));
  for (const args of READS) expect([args, (await coffer(args, options)).code]).toEqual([args, 0]);
  expect((await coffer(["get", "v"], options)).stderr).toContain("nothing keeps gc from what is handed out");
  const refused = await coffer(["gc", "--apply", "--grace", "0"], options);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("make room")]);
  makeRoom(root.at("disk"));
  // a log that is killed in the middle of a large file
  writeFileSync(root.at("large"), Buffer.alloc(8 << 20, 1));
  await killedWhile(["log", "large"], options);
  const [staged] = readdirSync(join(options.root, "tmp"));
  rmSync(join(options.root, "coffer.reserve"), { recursive: true, force: true });
  // as after a copy, or a restart of some machines: nothing of SQLite's own is there to be used again
  rmSync(join(options.root, "coffer.db-shm"), { force: true });
  fillDisk(root.at("disk"));
  await done(["gc", "--apply", "--max-versions", "1", "--grace", "0"], options);
  expect(existsSync(join(options.root, "tmp", staged as string))).toBe(false);
  makeRoom(root.at("disk"));
  await isWell(options);
});

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Kills a command once it has a MiB under `tmp/`; what it staged stays. */
async function killedWhile(args: string[], options: Place): Promise<void> {
  for (;;) {
    const child = spawnCoffer(args, options);
    const isStaged = (): boolean =>
      [...new Bun.Glob("tmp/**").scanSync(options.root)].some((path) => sizeOf(join(options.root, path)) > 1 << 20);
    while (child.exitCode === null && !isStaged()) await Bun.sleep(0);
    child.kill("SIGKILL");
    await child.exited;
    if (child.exitCode === null && isStaged()) return;
  }
}

mounted(
  "a command that fills the disk keeps its exit code; its workspace stays whole, and how it ended is recorded with the reserve",
  async () => {
    using root = temporaryRoot();
    using _disk = mountSmall(root.at("disk"), "48m");
    const options = await fillStore(root);
    const script = `echo done > "$COFFER_WORKSPACE/o"; for i in $(seq 40); do echo $i > "$COFFER_WORKSPACE/$i"; done; cat /dev/zero > ${root.at("disk/filler")} 2>/dev/null; `;
    for (const code of [0, 7]) {
      const result = await coffer(["run", "--policy", "scratch", "--register", `o=o`, "--", "sh", "-c", `${script} exit ${code}`], options);
      expect([result.code, result.stderr]).toEqual([code, expect.stringContaining("the outputs could not be stored")]);
      const [run] = (await done(["runs", "--json", "--limit", "1"], options)).json<{
        runs: { id: string; state: string; exit_code: number }[];
      }>().runs;
      expect(run).toMatchObject({ state: code === 0 ? "finished" : "failed", exit_code: code });
      const workspace = join(options.root, "work/runs", run?.id as string);
      expect(readdirSync(workspace).filter((name) => /^(\d+|o)$/.test(name))).toHaveLength(41);
      expect(readFileSync(join(workspace, "o"), "utf8")).toBe("done\n");
      makeRoom(root.at("disk"));
    }
    await done(["log", join("disk/s/work/runs"), "--name", "saved", "--quiet"], options);
    await isWell(options);
  },
);

mounted("a run that is adopted while the disk is full stays open until there is room for its log", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "48m");
  const options = await fillStore(root);
  const killed = await coffer(["run", "--", "sh", "-c", "head -c 3000000 /dev/zero; echo said; sleep 0.2; kill -9 $PPID"], options);
  expect(killed.signal).toBe("SIGKILL");
  fillDisk(root.at("disk"), 1500);
  const { stderr } = await coffer(["ls"], options);
  expect(stderr).toContain("will be with a later command");
  // what could be copied of it would only take what is left of the disk
  const [staged] = readdirSync(join(options.root, "tmp"));
  expect(readdirSync(join(options.root, "tmp", staged as string))).toEqual(["stdout.log"]);
  makeRoom(root.at("disk"));
  expect((await coffer(["ls"], options)).stderr).toContain("adopted run");
  const [run] = (await done(["runs", "--json", "--limit", "1"], options)).json<{ runs: { id: string; state: string }[] }>().runs;
  expect(run?.state).toBe("killed");
  expect((await done(["get", `${run?.id}/stdout.log`], options)).code).toBe(0);
  await isWell(options);
});

mounted("a disk without inodes is said to have none, and gc gives some back", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "64m", 300);
  const options = await fillStore(root);
  mkdirSync(root.at("disk/files"));
  for (let i = 0; ; i++)
    try {
      writeFileSync(root.at("disk/files", `${i}`), "");
    } catch {
      break;
    }
  for (const args of READS) expect([args, (await coffer(args, options)).code]).toEqual([args, 0]);
  for (const args of [
    ["log", "v", "--name", "new"],
    ["log", "many", "--name", "new"],
  ])
    expect((await coffer(args, options)).stderr).toMatch(/no inodes left[^]*df -i/);
  await done(["gc", "--apply", "--max-versions", "1", "--grace", "0"], options);
  rmSync(root.at("disk/files"), { recursive: true });
  await isWell(options);
});

mounted("a database that cannot be opened for a few KiB stays as it is kept", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "24m");
  const options = await fillStore(root);
  for (const left of [8, 16, 24, 28]) {
    fillDisk(root.at("disk"), left);
    expect([left, (await coffer(["ls"], options)).code, (await coffer(["log", "v"], options)).code]).toEqual([left, 0, 1]);
    makeRoom(root.at("disk"));
  }
  await isWell(options);
});

mounted("a disk whose blocks are smaller than a page is no danger to a command", async () => {
  using root = temporaryRoot();
  // 1 KiB blocks: SQLite's index is mapped, and gets its blocks when it is written to
  using _disk = mountExt4(root.at("disk"), "24m");
  const options = await fillStore(root);
  // some fill the log until there is no room for its index
  for (const left of [24, 32, 40, 56, 60, 64, 66, 68, 72, 80, 100, 130]) {
    fillDisk(root.at("disk"), left);
    for (const args of [["log", "--metric", "a=1", "--param", "b=2"], ["ls"], ["run", "--", "true"], ["log", "many"], ["gc", "--apply"]]) {
      const { code, signal } = await coffer(args, options);
      expect([left, args, code, signal]).toEqual([left, args, expect.any(Number), null]);
    }
    makeRoom(root.at("disk"));
  }
  await isWell(options);
});

mounted("a backup that the disk does not take is an error with what to do, and leaves nothing", async () => {
  using root = temporaryRoot();
  using _disk = mountSmall(root.at("disk"), "24m");
  const options = await fillStore(root);
  for (const left of [100, 500, 700, 1000]) {
    fillDisk(root.at("disk"), left);
    const { code, stderr } = await coffer(["backup", root.at("disk/backup"), "--with-bytes", "--json"], options);
    expect([left, code, JSON.parse(stderr)]).toMatchObject([left, 1, { hint: expect.stringContaining("make room") }]);
    makeRoom(root.at("disk"));
    expect(readdirSync(root.at("disk"))).toEqual(["s"]);
  }
  await isWell(options);
});
