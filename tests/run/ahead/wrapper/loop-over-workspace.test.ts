import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test as anyTest } from "bun:test";
import { loadBlake3 } from "../../../../src/blobs/blake3.ts";
import { SYNC_POINTS_VARIABLE } from "../../../../src/domain/sync-point.ts";
import { place } from "../../../cli/run-place.ts";
import type { Place } from "../../../cli/run-place.ts";
import { needsExactTimes } from "../../../support/exact-times.ts";
import { mountExt4, needsMount } from "../../../support/mount.ts";
import { appears } from "../../../support/appears.ts";
import { copies, keepInodes, LARGE, runThatIsHeld } from "./while-it-runs.ts";

const test = needsExactTimes(anyTest);
const mounted = needsMount(anyTest);

/** What happens to a file after it was read ahead, in bash; and whether what was read of it is still its bytes. */
const CHANGES: Record<string, { how: string; isStill?: true }> = {
  untouched: { how: "cat untouched >/dev/null", isStill: true },
  rewritten: {
    how: "touch -r rewritten was; head -c 1000 /dev/urandom | dd of=rewritten conv=notrunc status=none; touch -r was rewritten; rm was",
  },
  replaced: { how: "make other; mv other replaced" },
  truncated: { how: "truncate -s 8500000 truncated" },
  appended: { how: "echo more >>appended" },
  removed: { how: "rm removed" },
  renamed: { how: "mv renamed anew" },
  linked: { how: "ln linked second" },
  mapped: { how: `"$BUN" -e 'const bytes = Bun.mmap("mapped", { shared: true }); bytes[5000000] ^= 255'` },
  // whoever holds it may write at any time, also through a mapping
  open: {
    how: '(exec 9>>open; exec setsid sleep 1000) >/dev/null 2>&1 & echo $! >"$HELD.sleeper"; until [ -e /proc/$!/fd/9 ]; do sleep 0.01; done',
  },
};

test("a file that changed after it was read ahead is stored as it is at the end, and one that did not is not read again", async () => {
  using here = place();
  const names = Object.keys(CHANGES);
  const run = runThatIsHeld(
    here,
    `for name in ${names.join(" ")}; do make $name; done; held; until [ -e "$HELD.opened" ]; do sleep 0.01; done\n${Object.values(CHANGES)
      .map(({ how }) => how)
      .join("\n")}\ngo`,
    { files: names.length },
  );
  await run.isHeld();
  const ahead = copies(here.root);
  expect(ahead.size).toBe(names.length);
  using _inodes = keepInodes(ahead.values());
  writeFileSync(here.at("held.opened"), "");
  const { code, stderr } = await run.end();
  process.kill(Number(readFileSync(here.at("held.sleeper"), "utf8")));
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining("finished: 10 outputs") });

  const { workspace, artifacts } = await here.shown();
  const blake3 = await loadBlake3();
  const stored = artifacts.map(({ path, digest }) => [path, digest] as const).toSorted(byName);
  const lies = readdirSync(workspace as string).map(
    (name) => [name, `blake3:${blake3.hash(readFileSync(join(workspace as string, name))).toString("hex")}`] as const,
  );
  expect(stored).toEqual(lies.toSorted(byName));
  expect((await here.coffer(["verify", "--quiet"])).code).toBe(0);

  const taken = here.binaries().filter((path) => ahead.has(lstatSync(join(here.root, "binaries", path)).ino));
  const still = names.filter((name) => CHANGES[name]?.isStill);
  const expected = still.map(
    (name) => stored.find(([path]) => path === name)?.[1].slice("blake3:".length, "blake3:".length + 12) as string,
  );
  expect(taken.map((path) => /_([0-9a-f]{12})/.exec(path)?.[1] ?? "").toSorted()).toEqual(expected.toSorted());
  expect(here.leftovers()).toEqual([]);
}, 60_000);

function byName(one: readonly [string, string], other: readonly [string, string]): number {
  return one[0] < other[0] ? -1 : 1;
}

test("a scratch run moves in what it read ahead, and reads what changed", async () => {
  using here = place();
  const run = runThatIsHeld(
    here,
    `make same; make changed; ls -i same >"$HELD.inode"; held; head -c 5 /dev/urandom | dd of=changed conv=notrunc status=none; cp changed "$HELD.now"; go`,
    { files: 2, flags: ["--policy", "scratch"] },
  );
  await run.isHeld();
  expect(copies(here.root).size).toBe(0);
  expect((await run.end()).code).toBe(0);
  const inode = Number.parseInt(readFileSync(here.at("held.inode"), "utf8"));
  const blobs = here.binaries().map((path) => join(here.root, "binaries", path));
  expect(blobs.filter((path) => lstatSync(path).ino === inode)).toHaveLength(1);
  const now = (await loadBlake3()).hash(readFileSync(here.at("held.now"))).toString("hex");
  expect((await here.artifact((await here.shown()).id + "/changed")).digest).toBe(`blake3:${now}`);
  expect((await here.coffer(["verify", "--quiet"])).code).toBe(0);
}, 60_000);

/** Whether a run is stopped by what begins to read its file; `most`: tenths of a second that the command lasts otherwise. */
async function isRead(here: Place, most: number, flags: readonly string[] = []): Promise<boolean> {
  const { signal } = await here.run(
    `head -c ${LARGE} /dev/zero >$W/m.bin; for i in $(seq ${most}); do kill -0 $PPID 2>/dev/null || exit; sleep 0.1; done`,
    flags,
    { env: { [SYNC_POINTS_VARIABLE]: "ahead.asked=kill" } },
  );
  return signal === "SIGKILL";
}

test("a flag turns it on where the configuration has it off, and both flags are a contradiction", async () => {
  using off = place();
  off.write("coffer.yaml", "workspace: {hash_ahead: false}\n");
  expect(await isRead(off, 500, ["--hash-ahead"])).toBe(true);
  const both = await off.run("true", ["--hash-ahead", "--no-hash-ahead"]);
  expect([both.code, both.stderr]).toEqual([125, expect.stringContaining("contradict each other")]);
}, 60_000);

test("the configuration, or a flag, turns it off: then nothing is read before the command has ended", async () => {
  using on = place();
  using off = place();
  using flag = place();
  off.write("coffer.yaml", "workspace: {hash_ahead: false}\n");
  expect(await Promise.all([isRead(on, 500), isRead(off, 45), isRead(flag, 45, ["--no-hash-ahead"])])).toEqual([true, false, false]);
}, 60_000);

test("--verbose says how much was read ahead, and the run's record whether it was on", async () => {
  using here = place();
  const run = runThatIsHeld(here, "make m; held; go", { flags: ["--verbose"] });
  await run.isHeld();
  expect((await run.end()).stderr).toContain("coffer: read ahead: 1 file, 8.6 MiB; of that, used at the end: 1 file, 8.6 MiB\n");
  expect((await here.shown()).configuration).toMatchObject({ workspace: { hash_ahead: true } });
  expect((await here.run("true", ["--verbose", "--no-hash-ahead"])).stderr).toContain("coffer: nothing was read ahead\n");
  expect((await here.shown()).configuration).toMatchObject({ workspace: { hash_ahead: false } });
}, 60_000);

test("what is no output is not read ahead", async () => {
  using here = place();
  const run = runThatIsHeld(here, "mkdir .tmp d; make .tmp/a; make left.bin; make d/kept; held; go", { flags: ["--output", "d"] });
  await run.isHeld();
  const [inode, ...others] = copies(here.root).keys();
  expect(others).toEqual([]);
  expect((await run.end()).code).toBe(0);
  expect(here.binaries().map((path) => lstatSync(join(here.root, "binaries", path)).ino)).toContain(inode as number);
}, 60_000);

test("what somebody has open for writing is not read ahead, and a reader gets what nobody else wants", async () => {
  using here = place();
  const run = runThatIsHeld(here, "make closed; make open; exec 9>>open; held; sleep 2; go");
  await run.isHeld();
  expect(copies(here.root).size).toBe(1);
  const [reader] = readersOf(run.pid);
  const stat = readFileSync(`/proc/${reader}/stat`, "latin1");
  const SCHED_IDLE = "5";
  expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38]).toBe(SCHED_IDLE);
  if (existsSync("/proc/self/autogroup")) expect(readFileSync(`/proc/${reader}/autogroup`, "utf8")).toEndWith("nice 19\n");
  expect((await run.end()).code).toBe(0);
}, 60_000);

test("a reader that stands still delays neither a signal nor the end", async () => {
  using here = place();
  const run = runThatIsHeld(
    here,
    `trap 'echo told; exit 7' TERM; make first; held; go; until [ -e "$HELD.stopped" ]; do sleep 0.02; done; make second; : >"$HELD.second"; while :; do sleep 0.05; done`,
    { env: { [SYNC_POINTS_VARIABLE]: `ahead.read=hold:${here.at("held")},ahead.asked@2=hold:${here.at("asked")}` } },
  );
  await run.isHeld();
  const [reader] = readersOf(run.pid);
  process.kill(reader as number, "SIGSTOP");
  here.write("held.stopped", "");
  await appears(here.at("asked.reached"), { exited: run.end() });
  here.write("asked", "");
  process.kill(run.pid, "SIGTERM");
  expect(await run.end()).toMatchObject({ code: 7, stdout: "told\n" });
  expect(readersOf(run.pid)).toEqual([]);
}, 60_000);

/** The processes by which a run reads ahead. */
function readersOf(pid: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((one) => {
      try {
        const stat = readFileSync(`/proc/${one}/stat`, "latin1");
        return stat.includes(` ${pid} `) && readFileSync(`/proc/${one}/cmdline`, "latin1").includes("--read-ahead");
      } catch {
        return false;
      }
    });
}

test("a reader that is killed costs the run nothing", async () => {
  using here = place();
  const run = runThatIsHeld(here, "make first; held; go; make second; sleep 3");
  await run.isHeld();
  for (const pid of readersOf(run.pid)) process.kill(pid, "SIGKILL");
  expect(await run.end()).toMatchObject({ code: 0, stderr: expect.stringContaining("2 outputs") });
}, 60_000);

test("gc leaves alone what a live run has read ahead", async () => {
  using here = place();
  const run = runThatIsHeld(here, "make m; held; until [ -e $HELD ]; do sleep 0.02; done");
  await run.isHeld();
  const before = copies(here.root);
  expect((await here.coffer(["gc", "--apply", "--grace", "0", "--yes", "--quiet"])).code).toBe(0);
  expect(copies(here.root)).toEqual(before);
  here.write("held", "");
  expect((await run.end()).code).toBe(0);
  expect(here.binaries()).toHaveLength(1);
}, 60_000);

mounted(
  "no copy is made ahead that would leave a disk less room than the run has used",
  async () => {
    using here = place();
    using _disk = mountExt4(here.root, "100m");
    // it is hashed all the same: the store may have its bytes
    const run = runThatIsHeld(
      here,
      "for i in 1 2 3 4; do cat /dev/zero | head -c 10000000; done >m; held; head -c 40000000 /dev/zero >n; go",
    );
    await run.isHeld();
    expect(copies(here.root).size).toBe(0);
    expect((await run.end()).stderr).not.toContain("No space");
  },
  60_000,
);

mounted(
  "copies that were made ahead are given up when the command fills the disk",
  async () => {
    using here = place();
    using _disk = mountExt4(here.root, "200m");
    const run = runThatIsHeld(
      here,
      `make m; held; go; head -c 120000000 /dev/zero >n; while [ -n "$(find $COFFER_ROOT/tmp -name 'ahead-0')" ]; do sleep 0.05; done; echo given up`,
    );
    await run.isHeld();
    expect(copies(here.root).size).toBe(1);
    expect(await run.end()).toMatchObject({ stdout: "given up\n" });
  },
  60_000,
);
