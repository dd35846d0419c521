import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as edges from "../../src/db/records/edges.ts";
import * as leases from "../../src/db/bytes/leases.ts";
import * as metrics from "../../src/db/records/metrics.ts";
import * as params from "../../src/db/records/params.ts";
import * as runs from "../../src/db/records/runs.ts";
import * as tags from "../../src/db/records/tags.ts";
import { parseExecutionPath } from "../../src/domain/execution-path.ts";
import { log } from "../../src/registry/log.ts";
import { pin, setAlias } from "../../src/registry/marks.ts";
import type { Dependency } from "../../src/registry/record-edges.ts";
import { countOf } from "../store/keep.ts";
import { openTestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { logFile, logNothing, request } from "./logged.ts";

const on = (...rows: ArtifactRow[]): Dependency[] => rows.map((artifact) => ({ artifact }));

test("without a run, a run of its own is made and is finished at once", async () => {
  using test = await openTestStore();
  const { run } = await logNothing(test, {
    newRun: { dataset: "corn" },
    params: [["lr", "0.1"]],
    tags: [["t", "x"]],
    metrics: [{ key: "loss", value: 1, step: 0, time: 5 }],
  });
  expect(runs.bySeq(test.store.db, run.seq)).toMatchObject({ kind: "log", state: "finished", dataset: "corn", manifest: "due" });
  expect([
    params.ofRun(test.store.db, run.seq),
    tags.of(test.store.db, "run", run.seq),
    metrics.since(test.store.db, run.seq).length,
  ]).toEqual([{ lr: "0.1" }, { t: "x" }, 1]);
});

test("a run that exists takes what is logged, and its state stays", async () => {
  using test = await openTestStore();
  const running = test.run({ state: "running" });
  await logFile(test, {}, { run: running, as: "a" });
  expect([
    runs.bySeq(test.store.db, running.seq),
    artifacts.ofRun(test.store.db, running.seq).length,
    countOf(test, "leases"),
  ]).toMatchObject([{ state: "running", manifest: null }, 1, 0]);
});

test("everything that is said of an artifact is kept", async () => {
  using test = await openTestStore();
  const step = parseExecutionPath("0001_pls:0:2:3.1:0");
  const made = await logFile(test, {
    step,
    type: "model",
    class: "Ridge",
    dataset: "corn",
    description: "d",
    format: "joblib",
    formatVersion: "1.9",
    params: { alpha: 1 },
    metrics: { rmse: "NaN" },
    tags: [["a", "b"]],
  });
  expect(made).toMatchObject({
    id: "0001_pls:0:2:3.1:0",
    name: "0001_pls:0:2:3.1:0",
    version: 1,
    type: "model",
    class: "Ridge",
    dataset: "corn",
    pipeline: "0001_pls",
    branch: "[0,2]",
    step: 3,
    sub_step: 1,
    fold: 0,
    description: "d",
    format: "joblib",
    format_version: "1.9",
    params: '{"alpha":1}',
    metrics: '{"rmse":"NaN"}',
    role: "logged",
  });
  expect(tags.of(test.store.db, "artifact", made.seq)).toEqual({ a: "b" });
});

test("fold 0 is not all", async () => {
  using test = await openTestStore();
  const folds = [];
  for (const id of ["p:1:0", "p:1:all", "p:1:0"]) folds.push(await logFile(test, { step: parseExecutionPath(id) }));
  expect(folds.map(({ fold, version }) => [fold, version])).toEqual([
    [0, 1],
    [null, 1],
    [0, 2],
  ]);
});

// Paths in a run --------------------------------------------------------------------------------------------------

test("two paths that would be one artifact are refused before anything is read", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("a"));
  writeFileSync(root.at("a/x"), "1");
  writeFileSync(root.at("x"), "2");
  const paths = [{ source: root.at("a/x") }, { source: root.at("x") }];
  await expect(log(test.store, request({ paths }))).rejects.toMatchObject({ code: "COLLISION", hint: expect.stringContaining("--as") });
  expect([countOf(test, "blobs"), countOf(test, "leases")]).toEqual([0, 0]);
});

test("the same path again in one run: the same bytes are the same artifact, other bytes are refused, a name makes a version", async () => {
  using test = await openTestStore();
  const run = test.run({ state: "running" });
  const first = await logFile(test, {}, { run, as: "out", bytes: "one" });
  expect((await logFile(test, {}, { run, as: "out", bytes: "one" })).seq).toBe(first.seq);
  await expect(logFile(test, {}, { run, as: "out", bytes: "two" })).rejects.toMatchObject({ code: "COLLISION" });
  expect((await logFile(test, { name: "n" }, { run, as: "out", bytes: "two" })).version).toBe(1);
  expect((await logFile(test, { name: "n" }, { run, as: "out", bytes: "three" })).version).toBe(2);
  expect([countOf(test, "artifacts"), countOf(test, "leases")]).toEqual([3, 0]);
});

test.each(["../x", "/x", "a/../b", "a//b", "", "a\0b"])("the path %j is refused, and nothing is stored", async (as) => {
  using test = await openTestStore();
  await expect(logFile(test, {}, { as })).rejects.toMatchObject({ code: "PATH_INVALID" });
  expect([countOf(test, "blobs"), countOf(test, "artifacts")]).toEqual([0, 0]);
});

test("a path that is a link, a FIFO or nothing is refused", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  symlinkSync("/etc/passwd", root.at("link"));
  Bun.spawnSync(["mkfifo", root.at("fifo")]);
  for (const name of ["link", "fifo", "none"])
    await expect(log(test.store, request({ paths: [{ source: root.at(name) }] }))).rejects.toMatchObject({ code: "UNREADABLE" });
});

test("a link out of a directory stops all of it: nothing is stored, and the link is named", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  writeFileSync(root.at("d/file"), "");
  symlinkSync("/etc/passwd", root.at("d/out"));
  await expect(log(test.store, request({ paths: [{ source: root.at("d") }] }))).rejects.toMatchObject({
    code: "UNREADABLE",
    message: expect.stringContaining("d/out"),
  });
  expect([countOf(test, "blobs"), countOf(test, "artifacts"), countOf(test, "leases")]).toEqual([0, 0, 0]);
  const { artifacts: kept } = await log(test.store, request({ paths: [{ source: root.at("d") }], ignored: (path) => path === "out" }));
  expect(kept).toMatchObject([{ files: 1 }]);
});

test("an empty path is none, and a directory that holds the store or the workspaces is not stored", async () => {
  using test = await openTestStore();
  const { root } = test.store;
  mkdirSync(test.store.settings.roots.workspace);
  for (const source of ["", root, dirname(root)])
    await expect(log(test.store, request({ paths: [{ source }] }))).rejects.toMatchObject({ code: "PATH_INVALID" });
  using other = temporaryRoot();
  symlinkSync(dirname(dirname(root)), other.at("link"));
  await expect(log(test.store, request({ paths: [{ source: other.at("link", basename(dirname(root))) }] }))).rejects.toMatchObject({
    code: "PATH_INVALID",
  });
  expect(countOf(test, "artifacts")).toBe(0);
  writeFileSync(join(dirname(root), "mine"), "x");
  const { artifacts: kept } = await log(
    test.store,
    request({ paths: [{ source: dirname(root) }], ignored: (path) => path === basename(root) }),
  );
  expect(kept).toMatchObject([{ files: 1 }]);
});

// Dependencies ----------------------------------------------------------------------------------------------------

test("dependencies are kept in the order in which they were named, and twice is once", async () => {
  using test = await openTestStore();
  const [a, b, c] = [await test.add(), await test.add(), await test.add()] as [ArtifactRow, ArtifactRow, ArtifactRow];
  const made = await logFile(test, { dependsOn: on(c, a, b, a), readBefore: [a, b] });
  expect(edges.dependencies(test.store.db, made.seq).map(({ dependency, implicit }) => [dependency, implicit])).toEqual([
    [c.seq, 0],
    [a.seq, 0],
    [b.seq, 0],
  ]);
});

test("a cycle is refused when it is made, also through an older version, and nothing is stored", async () => {
  using test = await openTestStore();
  const at = (id: string) => ({ step: parseExecutionPath(id) });
  const first = await logFile(test, at("p:1:all"));
  const second = await logFile(test, { ...at("p:2:all"), dependsOn: on(first) });
  const third = await logFile(test, { ...at("p:3:all"), dependsOn: on(second) });
  const before = [countOf(test, "artifacts"), countOf(test, "blobs")];
  for (const dependency of [second, third])
    await expect(logFile(test, { ...at("p:1:all"), dependsOn: on(first, dependency) })).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
  expect([countOf(test, "artifacts"), countOf(test, "blobs")]).toEqual(before);
  // a newer version of the first one, of which nobody depends, does not open the way
  await logFile(test, at("p:1:all"));
  await expect(logFile(test, { ...at("p:1:all"), dependsOn: on(third) })).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
  await logFile(test, { ...at("p:4:all"), dependsOn: on(first, second, third) });
});

test("a version may be made from an older one of its own id, but not be added below itself", async () => {
  using test = await openTestStore();
  const at = { step: parseExecutionPath("p:1:all") };
  const first = await logFile(test, at);
  const second = await logFile(test, { ...at, dependsOn: on(first) });
  const third = await logFile(test, { ...at, readBefore: [second] });
  const above = (row: ArtifactRow) => edges.dependencies(test.store.db, row.seq).map(({ dependency, implicit }) => [dependency, implicit]);
  expect([above(first), above(second), above(third)]).toEqual([[], [[first.seq, 0]], [[second.seq, 1]]]);
  expect(countOf(test, "events")).toBe(0);

  using root = temporaryRoot();
  writeFileSync(root.at("f"), "one");
  const run = test.run({ state: "running" });
  const again = (dependsOn: ReturnType<typeof on>) =>
    log(test.store, { ...request({ paths: [{ source: root.at("f") }] }), run, particulars: { dependsOn } });
  const [plain] = (await again([])).artifacts;
  await expect(again(on(plain as ArtifactRow))).rejects.toMatchObject({ code: "DEPENDENCY_CYCLE" });
});

test("what a run read that was made from an older version of what it makes is an edge and an event", async () => {
  using test = await openTestStore();
  const at = { step: parseExecutionPath("p:1:all") };
  const first = await logFile(test, at);
  const other = await logFile(test, { dependsOn: on(first) });
  const second = await logFile(test, { ...at, readBefore: [first, other] });
  expect(edges.dependencies(test.store.db, second.seq).map(({ dependency }) => dependency)).toEqual([first.seq, other.seq]);
  expect(test.store.db.query("SELECT kind, artifact FROM events").all()).toEqual([{ kind: "circle", artifact: second.seq }]);
});

test("a chain of 101 passes, 102 fails; what the run read may reach deeper, and is an event", async () => {
  using test = await openTestStore();
  let last = await logFile(test, {});
  for (let length = 2; length <= 101; length++) last = await logFile(test, { dependsOn: on(last) });
  const before = countOf(test, "artifacts");
  await expect(logFile(test, { dependsOn: on(last) })).rejects.toMatchObject({
    code: "DEPENDENCY_TOO_DEEP",
    hint: expect.stringContaining("max_dependency_depth"),
  });
  expect(countOf(test, "artifacts")).toBe(before);
  const implicit = await logFile(test, { readBefore: [last] });
  expect(test.store.db.query("SELECT kind FROM events WHERE artifact = ?").all(implicit.seq)).toEqual([{ kind: "deep" }]);
});

test("the depth limit is a setting", async () => {
  using test = await openTestStore({ "artifact_store.max_dependency_depth": 1 });
  const second = await logFile(test, { dependsOn: on(await logFile(test, {})) });
  await expect(logFile(test, { dependsOn: on(second) })).rejects.toMatchObject({ code: "DEPENDENCY_TOO_DEEP" });
});

test("a wide graph of diamonds costs no more than its edges", async () => {
  using test = await openTestStore();
  let layer = [await logFile(test, {}), await logFile(test, {})];
  // 2^30 ways up
  for (let depth = 0; depth < 30; depth++)
    layer = [await logFile(test, { dependsOn: on(...layer) }), await logFile(test, { dependsOn: on(...layer) })];
  expect(edges.depth(test.store.db, [(layer[0] as ArtifactRow).seq], 100)).toBe(30);
});

// Versions --------------------------------------------------------------------------------------------------------

test("with versioning off a new one replaces the old, but for what is pinned or has an alias", async () => {
  using test = await openTestStore({ "artifact_store.versioning_enabled": false });
  const rows = [];
  for (let i = 0; i < 5; i++) {
    const made = await logFile(test, { name: "model" });
    if (i === 1) pin(test.store, made, null);
    if (i === 2) setAlias(test.store, made, "best");
    rows.push(made);
  }
  await logFile(test, { name: "other" });
  expect(artifacts.list(test.store.db, { name: "model" }).map((row) => row.version)).toEqual([5, 3, 2]);
  expect(rows.map((row) => test.again(row).state)).toEqual(["removed", "live", "live", "removed", "live"]);
});

test("fifty logs of one name at once are fifty versions", async () => {
  using test = await openTestStore();
  await Promise.all(Array.from({ length: 50 }, (_, i) => logFile(test, { name: "model" }, { as: `f${i}` })));
  expect(artifacts.list(test.store.db, { name: "model" }).map((row) => row.version)).toEqual(Array.from({ length: 50 }, (_, i) => 50 - i));
});

test("what an artifact is made from is held while its files are read, and refused where gc was faster", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  writeFileSync(root.at("d/f"), "f");
  const [dependency, source] = [await test.add(), await test.add()];
  let held: boolean[] | undefined;
  const asked = request({
    paths: [{ source: root.at("d") }],
    particulars: { type: "meta_model", dependsOn: on(dependency), sources: [source] },
    ignored: () => {
      held ??= [dependency, source].map(({ blob }) => leases.holds(test.store.db, blob as number));
      return false;
    },
  });
  await log(test.store, asked);
  expect(held).toEqual([true, true]);
  expect(leases.all(test.store.db)).toEqual([]);

  test.store.transaction(() => artifacts.entomb(test.store.db, source.seq, test.now));
  await expect(log(test.store, { ...asked, run: undefined })).rejects.toMatchObject({ code: "DEPENDENCY_MISSING" });
  expect(leases.all(test.store.db)).toEqual([]);
});
