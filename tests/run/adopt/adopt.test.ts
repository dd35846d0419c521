import { expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import * as events from "../../../src/db/records/events.ts";
import * as leases from "../../../src/db/bytes/leases.ts";
import * as metrics from "../../../src/db/records/metrics.ts";
import * as params from "../../../src/db/records/params.ts";
import * as runs from "../../../src/db/records/runs.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { of, self } from "../../../src/domain/process-identity.ts";
import { checkManifests } from "../../../src/manifest/check/check-manifests.ts";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { adoptDeadRuns, closeRun } from "../../../src/run/adopt/adopt.ts";
import { forgetBegun, recordStart } from "../../../src/run/begin.ts";
import { keepOutputs } from "../../../src/run/finish.ts";
import { leaveEnd, readLeftEnd } from "../../../src/run/adopt/left-end.ts";
import type { LeftEnd } from "../../../src/run/adopt/left-end.ts";
import { recordWithoutOutputs } from "../../../src/run/outputs/record-without-outputs.ts";
import { staging } from "../../../src/store/lease.ts";
import { verify } from "../../../src/store/damage/verify.ts";
import { endedRun, large, SUCCESS } from "../ended-run.ts";
import type { EndedRun } from "../ended-run.ts";

/** As if the process that held the run's lease had died. */
function die({ store, begun }: EndedRun): void {
  leases.take(store.db, begun.lease.seq, JSON.stringify({ ...self(), pid: 0x7fff_fff1 }));
}

function row({ store, begun }: EndedRun): RunRow {
  return runs.bySeq(store.db, begun.run.seq) as RunRow;
}

test("a live run is left alone", async () => {
  using run = await endedRun({ a: "1" });
  expect(await adoptDeadRuns(run.store)).toEqual([]);
  expect(row(run).state).toBe("running");
});

test("a dead run is closed as killed, with its log, its readings, and its workspace as it was", async () => {
  using run = await endedRun(
    { a: "1", "params.json": '{"lr": 1, "seed": 2}', "metrics.json": '{"acc": 0.5}' },
    { request: { params: [["lr", "0.1"]] } },
  );
  writeFileSync(join(staging(run.store, run.begun.lease), "output.log"), "printed");
  writeFileSync(join(staging(run.store, run.begun.lease), "blob-0"), "half");
  die(run);
  expect((await adoptDeadRuns(run.store)).map(({ id }) => id)).toEqual([run.begun.run.id]);
  expect(row(run)).toMatchObject({ state: "killed", adopted: 1, manifest: "due", workspace_state: "present" });
  expect(artifacts.ofRun(run.store.db, row(run).seq).map(({ path, role }) => `${path} ${role}`)).toEqual(["output.log log"]);
  expect(params.ofRun(run.store.db, row(run).seq)).toEqual({ lr: "0.1", seed: "2" });
  expect(metrics.latest(run.store.db, row(run).seq).map(({ key, value }) => [key, value])).toEqual([["acc", 0.5]]);
  expect(readdirSync(run.begun.workspace).toSorted()).toEqual(["a", "metrics.json", "params.json"]);
  expect([leases.all(run.store.db), existsSync(run.store.path("tmp", run.begun.lease.token))]).toEqual([[], false]);
  expect(await adoptDeadRuns(run.store)).toEqual([]);
});

const LEFT: LeftEnd = { ...SUCCESS, state: "failed", exit_code: 7, keep_failed: false, failure: "no room", notes: ["stdout.log is short"] };

test("an end that could not be recorded is taken over, and what is left of it goes", async () => {
  using run = await endedRun({ a: "1" });
  expect(leaveEnd(run.begun.workspace, LEFT)).toBe(true);
  die(run);
  await adoptDeadRuns(run.store);
  expect(row(run)).toMatchObject({ state: "failed", exit_code: 7, ended_at: SUCCESS.ended_at, adopted: 1 });
  expect(events.ofRun(run.store.db, row(run).seq).map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
    "adopted: its end could not be recorded when it came",
    "not-stored: all outputs: no room",
    "note: stdout.log is short",
  ]);
  expect(readdirSync(run.begun.workspace)).toEqual(["a"]);
});

test("an end that lies in a link says the same", async () => {
  using run = await endedRun({});
  const path = join(run.begun.workspace, ".coffer-end.json");
  symlinkSync(JSON.stringify({ state: "killed", exit_code: null, signal: "SIGTERM" }), path);
  expect(readLeftEnd(run.begun.workspace)).toEqual({
    state: "killed",
    exit_code: null,
    signal: "SIGTERM",
    ended_at: Math.floor(lstatSync(path).mtimeMs),
    cpu_user_ms: null,
    cpu_system_ms: null,
    max_rss: null,
    keep_failed: false,
    failure: "the disk was full",
    notes: ["its log may lack some of what it printed"],
  });
  // the longest that we write fits into the inode
  expect(JSON.stringify({ state: "finished", exit_code: null, signal: "SIGRTMIN+30" }).length).toBeLessThanOrEqual(60);
});

test.each(["", "{}", '{"state": "running", "exit_code": 0, "signal": null}', "[1"])(
  "a file of that name that we did not write (%p) is no end",
  async (text) => {
    using run = await endedRun({ ".coffer-end.json": text });
    die(run);
    await adoptDeadRuns(run.store);
    expect(row(run).state).toBe("killed");
  },
);

test("a run whose outputs could not be stored is recorded without them: its log goes to the workspace beside what is there", async () => {
  using run = await endedRun({ "stdout.log": "mine", "metrics.json": '{"acc": 1}' });
  const directory = staging(run.store, run.begun.lease);
  writeFileSync(join(directory, "stdout.log"), "printed");
  writeFileSync(join(directory, "blob-0"), "half of something");
  const output = {
    logs: [{ name: "stdout.log", path: join(directory, "stdout.log"), bytes: 7, isOpen: false }] as const,
    notes: ["it is short"],
  };
  const said = recordWithoutOutputs(
    run.store,
    run.begun,
    run.request,
    SUCCESS,
    { ...run.ended, output: { ...output, logs: [...output.logs] } },
    new Error("no room"),
  );
  expect(said).toEqual(["it is short", `what it printed is in ${join(run.begun.workspace, "coffer-stdout.log")}`]);
  expect(row(run)).toMatchObject({ state: "finished", workspace_state: "present", manifest: "due" });
  expect(events.ofRun(run.store.db, row(run).seq).map(({ kind, message }) => `${kind}: ${message}`)).toEqual([
    "note: it is short",
    "not-stored: all outputs: no room",
  ]);
  expect(metrics.latest(run.store.db, row(run).seq)).toHaveLength(1);
  expect([leases.all(run.store.db), existsSync(directory)]).toEqual([[], false]);
});

test("a scratch run that died between its commit and the end of its workspace: names that are blobs go, blobs become read-only", async () => {
  using run = await endedRun({ big: large(), "d/other": large(), small: "x" }, { policy: "scratch" });
  const { moved } = await keepOutputs(run.store, run.begun, run.request, SUCCESS, run.ended);
  writeFileSync(join(run.begun.workspace, "late"), "came later");
  die(run);
  expect(await adoptDeadRuns(run.store)).toEqual([]);
  expect(readdirSync(run.begun.workspace, { recursive: true }).toSorted()).toEqual(["d", "late"]);
  expect(moved.map(({ path }) => [statSync(path).mode & 0o777, statSync(path).nlink])).toEqual(moved.map(() => [0o444, 1]));
  expect(row(run)).toMatchObject({ state: "finished", adopted: 0, workspace_state: "present" });
  expect([leases.all(run.store.db), (await verify(run.store, { share: 1, random: Math.random })).damage]).toEqual([[], []]);
});

test("the same where not all was stored: its workspace stays complete, with bytes of its own", async () => {
  using run = await endedRun({ "d/big": large() }, { policy: "scratch" });
  symlinkSync("/etc/passwd", join(run.begun.workspace, "d/leak"));
  const { moved, incomplete } = await keepOutputs(run.store, run.begun, run.request, SUCCESS, run.ended);
  expect([incomplete, moved.length]).toEqual([true, 1]);
  die(run);
  await adoptDeadRuns(run.store);
  expect(statSync(join(run.begun.workspace, "d/big")).nlink).toBe(1);
  expect([row(run).workspace_state, statSync(moved[0]?.path as string).mode & 0o777]).toEqual(["present", 0o444]);
});

test("closing: an ended run is refused, a live one too, one without a lease is closed", async () => {
  using run = await endedRun({});
  await expect(closeRun(run.store, row(run), true)).rejects.toThrow("is alive");
  leases.remove(run.store.db, run.begun.lease);
  expect((await closeRun(run.store, row(run), false)).state).toBe("killed");
  await expect(closeRun(run.store, row(run), true)).rejects.toThrow("has ended (killed)");
});

/** As if its processes were where they cannot be seen from here. */
function goElsewhere({ store, begun }: EndedRun): void {
  leases.take(store.db, begun.lease.seq, JSON.stringify({ ...self(), host: "elsewhere" }));
}

/** An end like that of `coffer run`, with what was printed. */
async function finish(run: EndedRun, printed: string): Promise<{ refused: string; said: string[] }> {
  const log = {
    name: "stdout.log",
    path: join(staging(run.store, run.begun.lease), "stdout.log"),
    bytes: printed.length,
    isOpen: false,
  } as const;
  if (existsSync(log.path)) writeFileSync(log.path, printed);
  const ended = { ...run.ended, output: { logs: [log], notes: [] } };
  const failure = await keepOutputs(run.store, run.begun, run.request, SUCCESS, ended).then(
    () => new Error("nothing was refused"),
    (error: Error) => error,
  );
  return { refused: failure.message, said: recordWithoutOutputs(run.store, run.begun, run.request, SUCCESS, ended, failure) };
}

test("a run that somebody closed on his word, and that lives: its end changes nothing, and outputs and the whole log stay in its workspace", async () => {
  using run = await endedRun({ "m.bin": "made later" }, { policy: "scratch", request: { register: new Map([["m.bin", ["m"]]]) } });
  const { store, begun } = run;
  writeFileSync(join(staging(store, begun.lease), "stdout.log"), "early ");
  goElsewhere(run);
  await closeRun(store, row(run), true);
  writeDueManifests(store);
  const closed = row(run);
  expect(() => recordStart(store, begun, run.request, self())).toThrow("was closed");
  forgetBegun(store, begun);
  expect(await finish(run, "early and late")).toEqual({
    refused: `run ${begun.run.id} was closed by another command while its own went on, and is recorded as killed`,
    said: [`what it printed is in ${join(begun.workspace, "stdout.log")}`],
  });
  expect([row(run), closed.state, closed.manifest]).toEqual([closed, "killed", "written"]);
  expect(artifacts.ofRun(store.db, closed.seq).map(({ path }) => path)).toEqual(["stdout.log"]);
  expect(
    readdirSync(begun.workspace)
      .map((name) => [name, readFileSync(join(begun.workspace, name), "utf8")])
      .toSorted(),
  ).toEqual([
    ["m.bin", "made later"],
    ["stdout.log", "early and late"],
  ]);
  expect([leases.all(store.db), readdirSync(store.path("tmp"))]).toEqual([[], []]);
  expect(await checkManifests(store, { share: 1, random: Math.random, stop: () => false })).toEqual([]);
});

test("a run that ends while another command closes it leaves that to it", async () => {
  using run = await endedRun({ a: "1" });
  const { store, begun } = run;
  leases.take(store.db, begun.lease.seq, JSON.stringify(of(process.ppid)));
  const { refused, said } = await finish(run, "");
  expect(refused).toBe(`run ${begun.run.id} was closed by another command while its own went on`);
  expect(said).toEqual(["what it printed is kept as far as it had come when the run was closed"]);
  expect([row(run).state, readdirSync(begun.workspace), leases.all(store.db).length]).toEqual(["running", ["a"], 1]);
});

test("a log that cannot be stored does not keep a dead run open", async () => {
  using run = await endedRun({});
  const directory = staging(run.store, run.begun.lease);
  writeFileSync(join(directory, "output.log"), "x");
  // what has the place of the store's bytes is a file
  writeFileSync(run.store.path("binaries"), "");
  die(run);
  await adoptDeadRuns(run.store);
  expect(row(run).state).toBe("killed");
  expect(events.ofRun(run.store.db, row(run).seq).map(({ kind }) => kind)).toEqual(["adopted", "not-stored"]);
  expect(readdirSync(directory)).toContain("output.log");
});
