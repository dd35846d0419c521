import * as artifacts from "../../src/db/records/artifacts.ts";
import { expect, test } from "bun:test";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { parseExecutionPath } from "../../src/domain/execution-path.ts";
import { pin, remove, setAlias } from "../../src/registry/marks.ts";
import { resolve, resolveArtifact, resolveRun } from "../../src/registry/resolve.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { logFile } from "./logged.ts";

/** The version that a reference means, with its name or path. */
function means(test: TestStore, ref: string, scope?: "kept" | "any"): string {
  const found = resolve(test.store, ref, scope);
  if (found.kind === "run") return `run ${found.run.id}`;
  return `${found.artifact.name ?? found.artifact.path}@v${found.artifact.version}${found.inside === undefined ? "" : ` / ${found.inside}`}`;
}

const error = (code: string, ...candidates: string[]) =>
  expect.objectContaining({ code, ...(candidates.length > 0 && { candidates: expect.arrayContaining(candidates) }) });

test("a name is its latest version; v10 follows v9, and each version has its own reference", async () => {
  using test = await openTestStore();
  for (let i = 0; i < 11; i++) await test.add({ name: "model" });
  expect(["model", "model@latest", "model@v1", "model@v9", "model@v10", "model@v11"].map((ref) => means(test, ref))).toEqual([
    "model@v11",
    "model@v11",
    "model@v1",
    "model@v9",
    "model@v10",
    "model@v11",
  ]);
  for (const ref of ["model@v0", "model@v01", "model@v12", "model@V1", "model@", "model@v1@v2"])
    expect(() => means(test, ref)).toThrow(error("NOT_FOUND"));
  expect(() => means(test, "model@v12")).toThrow(error("NOT_FOUND", "model@v11"));
});

test("an alias is the version that it points at, and follows when it is moved", async () => {
  using test = await openTestStore();
  const [first, second] = [await test.add({ name: "model" }), await test.add({ name: "model" })];
  setAlias(test.store, first, "best");
  expect(means(test, "model@best")).toBe("model@v1");
  setAlias(test.store, second, "best");
  expect(means(test, "model@best")).toBe("model@v2");
  expect(() => means(test, "model@worst")).toThrow(error("NOT_FOUND", "model@best"));
});

test("name@run:RUN is the version that a run made", async () => {
  using test = await openTestStore();
  const run = test.run();
  await test.add({ name: "model", run });
  await test.add({ name: "model", run, path: "again" });
  await test.add({ name: "model" });
  expect(means(test, `model@run:${run.id}`)).toBe("model@v2");
  expect(() => means(test, `model@run:${test.run().id}`)).toThrow(error("NOT_FOUND"));
});

test("RUN/path is found by the whole id or the beginning of one, also inside a directory", async () => {
  using test = await openTestStore();
  const run = test.run({ id: "0192f000-0000-7000-8000-000000000001" });
  await test.add({ run, path: "out/model.bin" });
  await test.add({ run, path: "data", files: { "a.csv": "1", "deep/b.csv": "2" } });
  await test.add({ run, path: "user@host" });
  expect(
    [`${run.id}/out/model.bin`, "0192f/out/model.bin", "0192f/data", "0192f/data/", "0192f/data/deep/b.csv", "0192f/user@host"].map((ref) =>
      means(test, ref),
    ),
  ).toEqual(["out/model.bin@v1", "out/model.bin@v1", "data@v1", "data@v1", "data@v1 / deep/b.csv", "user@host@v1"]);
  expect(() => means(test, "0192f/out")).toThrow(error("NOT_FOUND", `${run.id}/out/model.bin`));
  expect(() => means(test, "0192f/out/modle.bin")).toThrow(expect.objectContaining({ hint: "did you mean out/model.bin?" }));
  expect(() => means(test, "0192f/out/model.bin/x")).toThrow(error("NOT_FOUND"));
  expect(() => means(test, "0192f/")).toThrow(error("NOT_FOUND"));
});

test("the name of a run and a path are the newest run's of that name, also inside a directory, after all that is called so itself", async () => {
  using test = await openTestStore();
  await test.add({ run: test.run({ name: "first" }), path: "model.pkl", bytes: "old" });
  const run = test.run({ name: "first" });
  await test.add({ run, path: "model.pkl", bytes: "new" });
  await test.add({ run, path: "data", files: { "deep/b.csv": "2" } });
  expect(resolveArtifact(test.store, "first/model.pkl").artifact.run).toBe(run.seq);
  expect(["first/data", "first/data/deep/b.csv"].map((ref) => means(test, ref))).toEqual(["data@v1", "data@v1 / deep/b.csv"]);
  expect(() => means(test, "first/modle.pkl")).toThrow(expect.objectContaining({ code: "NOT_FOUND", hint: "did you mean model.pkl?" }));
  expect(() => means(test, "second/model.pkl")).toThrow(error("NOT_FOUND"));

  const other = test.run({ name: "team/first" });
  await test.add({ run: other, path: "x" });
  expect(resolveArtifact(test.store, "team/first/x").artifact.run).toBe(other.seq);
  const deep = test.run({ name: "first/data" });
  await test.add({ run: deep, path: "deep/b.csv" });
  expect(() => means(test, "first/data/deep/b.csv")).toThrow(error("AMBIGUOUS", `${run.id}/data/deep/b.csv`, `${deep.id}/deep/b.csv`));
  await test.add({ name: "first", files: { "model.pkl": "named" } });
  expect(means(test, "first/model.pkl")).toBe("first@v1 / model.pkl");
});

test("a run is its id, or a beginning of it that no other has", async () => {
  using test = await openTestStore();
  const ids = ["0192f000-0000-7000-8000-000000000001", "0192f000-0000-7000-8000-000000000002"];
  for (const id of ids) test.run({ id });
  expect(means(test, ids[0] as string)).toBe(`run ${ids[0]}`);
  expect(() => means(test, "0192f")).toThrow(error("AMBIGUOUS", ...ids));
  expect(() => resolveRun(test.store, "0192f")).toThrow(error("AMBIGUOUS", ...ids));
  expect(() => resolveRun(test.store, "0192f1")).toThrow(error("NOT_FOUND"));
  expect(() => means(test, "019")).toThrow(error("NOT_FOUND"));
  expect(() => resolveArtifact(test.store, ids[0] as string)).toThrow(error("NOT_FOUND"));
});

test("a digest, or four digits of one, is the newest artifact with these bytes", async () => {
  using test = await openTestStore();
  await test.add({ path: "first", bytes: "same" });
  const second = await test.add({ path: "second", bytes: "same" });
  expect(means(test, second.digest)).toBe("second@v1");
  expect(means(test, second.digest.slice(0, 11))).toBe("second@v1");
  expect(() => means(test, `blake3:${"0".repeat(64)}`)).toThrow(error("NOT_FOUND"));
  expect(() => means(test, second.digest.slice(0, 10))).toThrow(error("NOT_FOUND"));
});

test("digits that begin several digests are ambiguous, also when one of them has very many artifacts", async () => {
  using test = await openTestStore();
  const [older, newer] = [await test.add({ bytes: "older" }), await test.add({ bytes: "newer" })];
  for (let i = 0; i < 25; i++) await test.add({ bytes: "newer" });
  // two real digests with the same beginning would take long to find
  for (const [artifact, tail] of [
    [older, "00"],
    [newer, "11"],
  ] as const) {
    const hex = `abcd${tail.repeat(30)}`;
    test.store.db.run("UPDATE blobs SET blake3 = unhex(?) WHERE seq = ?", [hex, artifact.blob]);
    test.store.db.run("UPDATE artifacts SET digest = ? WHERE blob = ?", [`blake3:${hex}`, artifact.blob]);
  }
  expect(() => means(test, "blake3:abcd")).toThrow(error("AMBIGUOUS"));
  expect(means(test, "blake3:abcd0")).toBe(`${older.path}@v1`);
});

test("digest, exact id, name and run prefix are tried in this order", async () => {
  using test = await openTestStore();
  const run = test.run({ id: "cafe0000-0000-7000-8000-000000000001" });
  await test.add({ run, path: "x" });
  expect(means(test, "cafe")).toBe(`run ${run.id}`);
  // a name that reads as the beginning of a run's id wins over the run
  const named = await test.add({ name: "cafe" });
  expect(means(test, "cafe")).toBe("cafe@v1");
  expect(means(test, "cafe/x")).toBe("x@v1");
  // an exact id wins over a name
  const step = parseExecutionPath("p:1:all");
  await logFile(test, { step });
  await logFile(test, { step });
  expect(means(test, "p:1:all")).toBe("p:1:all@v2");
  expect(means(test, "p:1:all@v1")).toBe("p:1:all@v1");
  expect(means(test, named.digest)).toBe("cafe@v1");
});

test("versions of an id without a name are told apart by number", async () => {
  using test = await openTestStore();
  const run = test.run({ state: "running" });
  await test.add({ run, path: "out" });
  await test.add({ run, path: "out" });
  expect([means(test, `${run.id}/out`), means(test, `${run.id}/out@v1`)]).toEqual(["out@v2", "out@v1"]);
});

test("what was removed is out of sight, and in it for who asks for it", async () => {
  using test = await openTestStore();
  const rows: ArtifactRow[] = [];
  for (let i = 0; i < 3; i++) rows.push(await test.add({ name: "model" }));
  remove(test.store, { kind: "artifact", artifact: rows[2] as ArtifactRow });
  setAlias(test.store, rows[2] as ArtifactRow, "best");
  expect([means(test, "model"), means(test, "model", "kept")]).toEqual(["model@v2", "model@v3"]);
  for (const ref of ["model@v3", "model@best", rows[2]?.digest as string]) expect(() => means(test, ref)).toThrow(error("NOT_FOUND"));
  expect(means(test, "model@best", "any")).toBe("model@v3");
});

test("what is called by no name gets the one that was meant, or where to look", async () => {
  using test = await openTestStore();
  expect(() => means(test, "churn")).toThrow(error("NOT_FOUND"));
  pin(test.store, await test.add({ name: "churn-model" }), null);
  expect(() => means(test, "chrun-model@v3")).toThrow(
    expect.objectContaining({ code: "NOT_FOUND", hint: "did you mean churn-model?", candidates: ["churn-model"] }),
  );
});

test.each(["", "/", "@", "@v1", "a/b", "../x", "'; DROP TABLE runs; --", "%", "\0", "x".repeat(5000)])(
  "%j is no reference to anything",
  async (ref) => {
    using test = await openTestStore();
    await test.add({ name: "model" });
    expect(() => means(test, ref)).toThrow(error("NOT_FOUND"));
  },
);

test("what was taken away is called by its name, with what to do", async () => {
  using test = await openTestStore();
  const [one, two] = [await test.add({ name: "model" }), await test.add({ name: "model" })];
  const told = (ref: string): unknown => {
    try {
      return means(test, ref);
    } catch (error_) {
      return [(error_ as Error).message, (error_ as { hint: string }).hint];
    }
  };
  remove(test.store, { kind: "artifact", artifact: one });
  expect(told("model@v1")).toEqual(["model@v1 is out of sight (removed)", "coffer restore model@v1 brings it back"]);
  remove(test.store, { kind: "artifact", artifact: two });
  expect(told("model")).toEqual(["model@v2 is out of sight (removed)", "coffer restore model@v2 brings it back"]);
  test.store.transaction(() => artifacts.entomb(test.store.db, two.seq, test.now));
  expect(told("model@v2")).toEqual(["gc has deleted model@v2", "coffer show model@v2 tells what it was"]);
});
