import { expect, test } from "bun:test";
import * as fc from "fast-check";
import * as artifacts from "../../src/db/records/artifacts.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import * as edges from "../../src/db/records/edges.ts";
import * as metrics from "../../src/db/records/metrics.ts";
import * as params from "../../src/db/records/params.ts";
import * as runs from "../../src/db/records/runs.ts";
import * as tags from "../../src/db/records/tags.ts";
import { closeDatabase, openDatabase } from "../../src/db/open/open.ts";
import { openTestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("fifty processes that save one name at once make fifty versions without a gap", async () => {
  using test = await openTestStore();
  const artifact = await test.add({ name: "model" });
  const program = `
    import { openDatabase, writing } from ${JSON.stringify(`${import.meta.dir}/../../src/db/open/open.ts`)};
    import * as artifacts from ${JSON.stringify(`${import.meta.dir}/../../src/db/records/artifacts.ts`)};
    const db = openDatabase(process.argv[1], { make: false, say: () => undefined });
    for (let i = 0; i < 10; i++)
      writing(db, () => undefined, () => {
        const { seq, version, state, state_at, ...row } = artifacts.bySeq(db, Number(process.argv[2]));
        artifacts.insert(db, { ...row, uid: crypto.randomUUID() });
      });`;
  const children = Array.from({ length: 5 }, () =>
    Bun.spawn([process.execPath, "-e", program, test.store.path("coffer.db"), String(artifact.seq)], {
      stdio: ["ignore", "inherit", "inherit"],
    }),
  );
  expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0, 0]);
  const versions = artifacts.list(test.store.db, { name: "model" }).map((row) => row.version);
  expect(versions.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 51 }, (_, index) => index + 1));
  expect(artifacts.latestOfName(test.store.db, "model")?.version).toBe(51);
});

test("a number that was given is never given again, whatever became of its version", async () => {
  using test = await openTestStore();
  const first = await test.add({ name: "model" });
  artifacts.setState(test.store.db, first.seq, "removed", 1);
  const second = await test.add({ name: "model" });
  artifacts.entomb(test.store.db, second.seq, 2);
  expect((await test.add({ name: "model" })).version).toBe(3);
});

test("time stamps of files come back to the nanosecond", async () => {
  using test = await openTestStore();
  const { seq } = blobs.bySeq(test.store.db, (await test.add()).blob as number) ?? { seq: 0 };
  const stamp = { mtime_ns: 1_700_000_000_123_456_789n, ctime_ns: 9_007_199_254_740_993n, inode: 2n ** 60n + 1n };
  blobs.restamp(test.store.db, seq, stamp);
  const row = blobs.bySeq(test.store.db, seq);
  expect([row?.mtime_ns, row?.ctime_ns, row?.inode]).toEqual(Object.values(stamp));
  expect([typeof row?.seq, typeof row?.size, typeof row?.created_at]).toEqual(["number", "number", "number"]);
});

test("every point of a metric is kept in order of arrival, NaN and infinities included", async () => {
  using test = await openTestStore();
  const { seq } = test.run();
  const other = test.run();
  const point = fc.record({
    key: fc.constantFrom("a", "b"),
    value: fc.double().map((value) => value + 0),
    step: fc.maxSafeInteger(),
    time: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(fc.array(point), (points) => {
      const after = metrics.since(test.store.db, seq).at(-1)?.seq ?? 0;
      // those of another run lie in between
      for (const one of points) {
        metrics.insert(test.store.db, seq, [one]);
        metrics.insert(test.store.db, other.seq, [one]);
      }
      expect(metrics.since(test.store.db, seq, after)).toMatchObject(points);
      const seqs = metrics.seqsSince(test.store.db, seq, after);
      expect(seqs).toEqual(metrics.since(test.store.db, seq, after).map((row) => row.seq));
      expect(metrics.between(test.store.db, seq, seqs[0] ?? 0, seqs.at(-1) ?? 0)).toEqual(points);
    }),
    { numRuns: 30 },
  );
});

test("the latest point of a metric has the highest step, then the latest time, then came last", async () => {
  using test = await openTestStore();
  const { seq } = test.run();
  const at = (value: number, step: number, time: number) => ({ key: "loss", value, step, time });
  const latest = () => metrics.latest(test.store.db, seq).map((one) => one.value);
  metrics.insert(test.store.db, seq, [at(1, 5, 100), at(2, 3, 900)]);
  expect(latest()).toEqual([1]);
  metrics.insert(test.store.db, seq, [at(3, 5, 200), at(4, 5, 200)]);
  expect(latest()).toEqual([4]);
});

test("params and tags keep the last value of a key", async () => {
  using test = await openTestStore();
  const { seq } = test.run();
  params.set(test.store.db, seq, [
    ["a", "1"],
    ["b", ""],
    ["a", "2"],
  ]);
  tags.set(test.store.db, "run", seq, [
    ["t", "1"],
    ["t", "2"],
  ]);
  expect([params.ofRun(test.store.db, seq), tags.of(test.store.db, "run", seq)]).toEqual([{ a: "2", b: "" }, { t: "2" }]);
  expect([tags.remove(test.store.db, "run", seq, "t"), tags.remove(test.store.db, "run", seq, "t")]).toEqual([true, false]);
});

test("a run is found by the beginning of its id, and only by that", async () => {
  using test = await openTestStore();
  const ids = ["0192f000-0000-7000-8000-000000000001", "0192f000-0000-7000-8000-000000000002", "0192ffff-0000-7000-8000-000000000001"];
  for (const id of ids) test.run({ id });
  const found = (prefix: string) => runs.byPrefix(test.store.db, prefix, 20).map((run) => run.id);
  expect(found("0192f")).toEqual(ids);
  expect(found("0192f0")).toEqual(ids.slice(0, 2));
  expect(found("0192ffff-")).toEqual(ids.slice(2));
  expect(found("192f")).toEqual([]);
});

test("an edge that nobody named gives way to one that somebody named", async () => {
  using test = await openTestStore();
  const [a, b] = [await test.add(), await test.add()];
  edges.insert(test.store.db, a.seq, [{ dependency: b.seq, role: "input", position: 1000, implicit: true }]);
  edges.insert(test.store.db, a.seq, [{ dependency: b.seq, role: "input", position: 0, implicit: false }]);
  expect(edges.dependencies(test.store.db, a.seq)).toMatchObject([{ dependency: b.seq, implicit: 0 }]);
});

test("rows that name what is not there are refused by the database itself", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), { make: true, say: () => undefined });
  expect(() => params.set(db, 7, [["a", "1"]])).toThrow("FOREIGN KEY");
  expect(() =>
    blobs.insertPacked(db, [{ blake3: new Uint8Array(31), size: 1, offset: 0 }], { dataset: "d", pack: 1, created_at: 0 }),
  ).toThrow("CHECK");
  closeDatabase(db);
});
