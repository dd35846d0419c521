import { expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import * as events from "../../src/db/records/events.ts";
import * as leases from "../../src/db/bytes/leases.ts";
import * as runs from "../../src/db/records/runs.ts";
import { adoptDeadRuns } from "../../src/run/adopt/adopt.ts";
import type { ChildEnd } from "../../src/run/child/child.ts";
import { clearScratch } from "../../src/run/workspace/clear-scratch.ts";
import type { Cleared } from "../../src/run/workspace/clear-scratch.ts";
import type { Snapshot } from "../../src/run/workspace/empty-workspace.ts";
import { endOf, keepOutputs } from "../../src/run/finish.ts";
import type { Kept } from "../../src/run/finish.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { endedRun, large, SUCCESS } from "./ended-run.ts";
import type { EndedRun } from "./ended-run.ts";

const CHILD: ChildEnd = { code: 0, exitCode: 0, signal: null, startedAt: 1, endedAt: 2, cpuUserMs: 3.4, cpuSystemMs: 0.6, maxRssBytes: 5 };

function keep(run: EndedRun): Promise<Kept> {
  return keepOutputs(run.store, run.begun, run.request, SUCCESS, run.ended);
}

function clear({ store, begun, ended }: EndedRun, kept: Kept): Promise<Cleared> {
  const { incomplete, moved, outputs } = kept;
  return clearScratch(store, { ...begun, incomplete, moved, snapshot: ended.snapshot as Snapshot, isLeftOut: outputs.isLeftOut });
}

test.each([
  [{ code: 0, exitCode: 0 }, undefined, "finished", null],
  [{ code: 3, exitCode: 3 }, undefined, "failed", null],
  [{ code: 137, exitCode: null, signal: "SIGKILL" }, undefined, "killed", "SIGKILL"],
  [{ code: 139, exitCode: null, signal: "SIGSEGV" }, undefined, "failed", "SIGSEGV"],
  [{ code: 141, exitCode: null, signal: "SIGPIPE" }, undefined, "failed", "SIGPIPE"],
  [{ code: 143, exitCode: null, signal: "SIGTERM" }, "SIGTERM", "killed", "SIGTERM"],
  [{ code: 1, exitCode: 1 }, "SIGINT", "killed", "SIGINT"],
  [{ code: 0, exitCode: 0 }, "SIGTERM", "finished", null],
] as const)("a child that ended with %j after %p: %s", (child, asked, state, signal) => {
  expect(endOf({ ...CHILD, ...child }, asked)).toMatchObject({
    state,
    signal,
    exit_code: child.exitCode,
    cpu_user_ms: 3,
    cpu_system_ms: 1,
  });
});

test("outputs, end and lease are settled in one transaction", async () => {
  using run = await endedRun({ a: "1", "d/b": "2" });
  const kept = await keep(run);
  expect([kept.artifacts.map(({ path }) => path).toSorted(), kept.incomplete, kept.run.state, kept.run.manifest]).toEqual([
    ["a", "d"],
    false,
    "finished",
    "due",
  ]);
  expect(leases.all(run.store.db)).toEqual([]);
  expect(existsSync(run.store.path("tmp", run.begun.lease.token))).toBe(false);
});

test("a scratch run holds its lease, and says that it is removing, until its workspace is cleared", async () => {
  using run = await endedRun({ big: large() }, { policy: "scratch" });
  const kept = await keep(run);
  expect([kept.run.workspace_state, kept.moved.length, leases.all(run.store.db).length]).toEqual(["removing", 1, 1]);
  expect(statSync(join(run.begun.workspace, "big")).nlink).toBe(2);
  expect(await clear(run, kept)).toEqual({ gone: true, stays: [], leftOut: { files: 0, bytes: 0 }, warnings: [] });
  expect([runs.bySeq(run.store.db, kept.run.seq)?.workspace_state, leases.all(run.store.db)]).toEqual(["removed", []]);
});

test("a file that somebody wrote to after it was stored is told, and found by verify; the workspace keeps the new bytes", async () => {
  using run = await endedRun({ big: large(), other: large() }, { policy: "scratch" });
  const kept = await keep(run);
  appendFileSync(join(run.begun.workspace, "big"), "written late");
  expect((await clear(run, kept)).warnings.join("\n")).toContain("big was written to after it had been stored");
  expect(events.ofRun(run.store.db, kept.run.seq).map(({ kind }) => kind)).toContain("damaged");
  expect(readdirSync(run.begun.workspace)).toEqual(["big"]);
  const left = join(run.begun.workspace, "big");
  expect([statSync(left).nlink, readFileSync(left, "utf8").endsWith("written late")]).toEqual([1, true]);
  const { damage } = await verify(run.store, { share: 1, random: Math.random });
  expect(damage.map(({ what }) => what)).toEqual([expect.stringMatching(/changed|short/)]);
});

test("what somebody opened after it was looked at stays as it was stored, whatever they write once its name is gone", async () => {
  using run = await endedRun({ big: large(), other: large() }, { policy: "scratch" });
  const kept = await keep(run);
  expect(kept.moved).toHaveLength(2);
  const fd = openSync(join(run.begun.workspace, "big"), "r+");
  try {
    expect(await clear(run, kept)).toMatchObject({ gone: true, warnings: [] });
    writeSync(fd, "CORRUPTED");
  } finally {
    closeSync(fd);
  }
  const report = await verify(run.store, { share: 1, random: Math.random });
  expect([report.damage, report.touched]).toEqual([[], []]);
  expect(leases.all(run.store.db)).toEqual([]);
});

test("what somebody has open keeps its inode where its name stays, and the store gets bytes of its own", async () => {
  using run = await endedRun({ "d/big": large() }, { policy: "scratch" });
  symlinkSync("/etc/passwd", join(run.begun.workspace, "d/leak"));
  const kept = await keep(run);
  const fd = openSync(join(run.begun.workspace, "d/big"), "r+");
  try {
    await clear(run, kept);
    writeSync(fd, "more");
  } finally {
    closeSync(fd);
  }
  expect(readFileSync(join(run.begun.workspace, "d/big"), "utf8")).toStartWith("more");
  expect((await verify(run.store, { share: 1, random: Math.random })).damage).toEqual([]);
});

test("where what somebody has open cannot be copied, that is said, and a later command does it", async () => {
  using run = await endedRun({ big: large() }, { policy: "scratch" });
  const kept = await keep(run);
  const fd = openSync(join(run.begun.workspace, "big"), "r+");
  try {
    rmSync(run.store.path("tmp"), { recursive: true });
    writeFileSync(run.store.path("tmp"), "");
    expect((await clear(run, kept)).warnings).toEqual([expect.stringMatching(/^a process that is left has big open for writing/)]);
    expect(runs.bySeq(run.store.db, kept.run.seq)?.workspace_state).toBe("removing");
    rmSync(run.store.path("tmp"));
    await adoptDeadRuns(run.store);
    expect(runs.bySeq(run.store.db, kept.run.seq)?.workspace_state).toBe("removed");
    writeSync(fd, "CORRUPTED");
  } finally {
    closeSync(fd);
  }
  expect((await verify(run.store, { share: 1, random: Math.random })).damage).toEqual([]);
});

test("a file of the same name that came in place of a stored one stays, and the store keeps the first", async () => {
  using run = await endedRun({ big: large() }, { policy: "scratch" });
  const kept = await keep(run);
  unlinkSync(join(run.begun.workspace, "big"));
  writeFileSync(join(run.begun.workspace, "big"), "another");
  expect(await clear(run, kept)).toMatchObject({ gone: false, stays: ["big"] });
  expect(readFileSync(join(run.begun.workspace, "big"), "utf8")).toBe("another");
  expect((await verify(run.store, { share: 1, random: Math.random })).damage).toEqual([]);
});

test("a problem that is known beforehand leaves every inode where it is", async () => {
  using run = await endedRun({ big: large() }, { policy: "scratch" });
  symlinkSync("/etc/passwd", join(run.begun.workspace, "leak"));
  const kept = await keep(run);
  expect([kept.incomplete, kept.moved]).toEqual([true, []]);
  expect(statSync(join(run.begun.workspace, "big")).nlink).toBe(1);
  expect(await clear(run, kept)).toMatchObject({ gone: false, warnings: [] });
  expect(readdirSync(run.begun.workspace).toSorted()).toEqual(["big", "leak"]);
});

test("a problem that shows while a directory is read gives each moved file bytes of its own again", async () => {
  using run = await endedRun({ "d/big": large(), top: large() }, { policy: "scratch" });
  symlinkSync("/etc/passwd", join(run.begun.workspace, "d/leak"));
  const kept = await keep(run);
  expect(kept.moved).toHaveLength(2);
  await clear(run, kept);
  for (const path of ["d/big", "top"]) expect([path, statSync(join(run.begun.workspace, path)).nlink]).toEqual([path, 1]);
  writeFileSync(join(run.begun.workspace, "top"), "overwritten");
  expect((await verify(run.store, { share: 1, random: Math.random })).damage).toEqual([]);
});

test("a store that was removed under the run is an error, not a run that was stored nowhere", async () => {
  using run = await endedRun({ a: "1" });
  unlinkSync(run.store.path("coffer.db"));
  await expect(keep(run)).rejects.toThrow("was removed while the command ran");
});
