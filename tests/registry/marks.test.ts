import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as artifacts from "../../src/db/records/artifacts.ts";
import * as pins from "../../src/db/records/pins.ts";
import * as runs from "../../src/db/records/runs.ts";
import * as tags from "../../src/db/records/tags.ts";
import { pin, remove, removeAlias, restore, retag, setAlias, unpin } from "../../src/registry/marks.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const it = (artifact: ArtifactRow) => ({ kind: "artifact", artifact }) as const;
const journal = (test: TestStore) =>
  readFileSync(test.store.path("manifests/journal.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { did: string }).did);

test("an alias needs a name, and is taken away once", async () => {
  using test = await openTestStore();
  const [named, plain] = [await test.add({ name: "model" }), await test.add()];
  for (const alias of ["latest", "v7", "a/b", ""])
    expect(() => setAlias(test.store, named, alias)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
  expect(() => setAlias(test.store, plain, "best")).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
  setAlias(test.store, named, "best");
  removeAlias(test.store, "model", "best");
  expect(() => removeAlias(test.store, "model", "best")).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  expect(journal(test)).toEqual(["alias", "unalias"]);
});

test("a pin holds against rm until it is taken away", async () => {
  using test = await openTestStore();
  const artifact = await test.add();
  pin(test.store, artifact, "why");
  pin(test.store, artifact, "why else");
  expect(pins.of(test.store.db, artifact.seq)).toEqual({ note: "why else" });
  expect(() => remove(test.store, it(artifact))).toThrow(expect.objectContaining({ code: "PROTECTED" }));
  unpin(test.store, artifact);
  expect(() => unpin(test.store, artifact)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  remove(test.store, it(artifact));
  expect(journal(test)).toEqual(["pin", "pin", "unpin", "remove"]);
});

test("tags are set and taken away together, or not at all", async () => {
  using test = await openTestStore();
  const artifact = await test.add();
  retag(
    test.store,
    it(artifact),
    [
      ["a", "1"],
      ["b", "2"],
    ],
    [],
  );
  expect(() => retag(test.store, it(artifact), [["c", "3"]], ["none"])).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  expect(tags.of(test.store.db, "artifact", artifact.seq)).toEqual({ a: "1", b: "2" });
  retag(test.store, it(artifact), [["a", "9"]], ["b"]);
  expect(tags.of(test.store.db, "artifact", artifact.seq)).toEqual({ a: "9" });
  expect(runs.bySeq(test.store.db, artifact.run)?.manifest).toBe("due");
});

test("a run is taken out of sight with all it made, and brought back", async () => {
  using test = await openTestStore();
  const run = test.run();
  const made = [await test.add({ run }), await test.add({ run, name: "model" })];
  const other = await test.add({ name: "model" });
  expect(remove(test.store, { kind: "run", run }).artifacts).toHaveLength(2);
  expect([
    runs
      .list(test.store.db)
      .map(({ id }) => id)
      .includes(run.id),
    made.map((row) => test.again(row).state),
    test.again(other).state,
  ]).toEqual([false, ["removed", "removed"], "live"]);
  const removed = runs.bySeq(test.store.db, run.seq);
  expect(restore(test.store, { kind: "run", run: removed as typeof run }).artifacts).toHaveLength(2);
  expect([
    runs
      .list(test.store.db)
      .map(({ id }) => id)
      .includes(run.id),
    made.map((row) => test.again(row).state),
  ]).toEqual([true, ["live", "live"]]);
  expect(() => restore(test.store, { kind: "run", run: runs.bySeq(test.store.db, run.seq) as typeof run })).toThrow(
    expect.objectContaining({ code: "NOT_FOUND" }),
  );
});

test("a run of which one artifact is pinned stays whole", async () => {
  using test = await openTestStore();
  const run = test.run();
  const made = [await test.add({ run }), await test.add({ run })];
  pin(test.store, made[1] as ArtifactRow, null);
  expect(() => remove(test.store, { kind: "run", run })).toThrow(expect.objectContaining({ code: "PROTECTED" }));
  expect(made.map((row) => test.again(row).state)).toEqual(["live", "live"]);
});

test("a run that goes on is not removed", async () => {
  using test = await openTestStore();
  expect(() => remove(test.store, { kind: "run", run: test.run({ state: "running" }) })).toThrow(
    expect.objectContaining({ code: "PROTECTED" }),
  );
});

test("what is in sight, or whose bytes are gone, cannot be brought back", async () => {
  using test = await openTestStore();
  const artifact = await test.add();
  expect(() => restore(test.store, it(artifact))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  remove(test.store, it(artifact));
  artifacts.entomb(test.store.db, artifact.seq, 1);
  expect(() => restore(test.store, it(test.again(artifact)))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
});

test("with a run or a pipeline comes back what went with it, not what had been taken by itself", async () => {
  using test = await openTestStore();
  const run = test.run({ pipeline: "p" });
  const [alone, other, late] = [await test.add({ run }), await test.add({ run }), await test.add({ run: test.run({ pipeline: "p" }) })];
  const states = () => [alone, other, late].map((artifact) => test.again(artifact).state);
  remove(test.store, it(alone));
  test.now++;
  for (const whole of [{ kind: "run", run } as const, { kind: "pipeline", pipeline: "p", dataset: undefined } as const]) {
    remove(test.store, whole);
    expect(states()).toEqual(["removed", "removed", whole.kind === "run" ? "live" : "removed"]);
    restore(test.store, whole);
    expect(states()).toEqual(["removed", "live", "live"]);
    if (whole.kind === "run")
      expect(() => restore(test.store, whole)).toThrow(expect.objectContaining({ code: "NOT_FOUND", candidates: [alone.id] }));
    test.now++;
  }
  // the newest removal of the pipeline that is left
  restore(test.store, { kind: "pipeline", pipeline: "p", dataset: undefined });
  expect(states()).toEqual(["live", "live", "live"]);
});
