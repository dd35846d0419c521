import { expect, test } from "bun:test";
import { linkSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as blobs from "../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../src/db/bytes/blobs.ts";
import { datasetStats, stats } from "../../src/registry/stats.ts";
import { locate } from "../../src/store/read.ts";
import { openTestStore } from "../support/store.ts";

test("an empty store has no ratio to speak of", async () => {
  using test = await openTestStore();
  expect(stats(test.store)).toMatchObject({ references: 0, unique: 0, ratio: 0, logical: 0, stored: 0, by_type: [] });
});

test("the same bytes under five ids: five references, one blob, ratio 0.8", async () => {
  using test = await openTestStore();
  for (let i = 0; i < 5; i++) await test.add({ bytes: "0123456789" });
  expect(stats(test.store)).toMatchObject({
    references: 5,
    unique: 1,
    ratio: 0.8,
    logical: 50,
    stored: 10,
    blobs: 1,
    by_type: [{ key: "file", artifacts: 5, bytes: 50 }],
  });
});

test("work, store, cache and MLflow are told apart, with what is there twice and what is shared", async () => {
  using test = await openTestStore();
  const artifact = await test.add({ bytes: "stored bytes" });
  const blob = locate(test.store, blobs.bySeq(test.store.db, artifact.blob as number) as BlobRow).path;
  const { workspace, mlflow } = test.store.settings.roots;
  for (const directory of [join(workspace, "runs/r"), mlflow, test.store.path("cache/x")]) mkdirSync(directory, { recursive: true });
  writeFileSync(join(workspace, "runs/r/out"), "stored bytes");
  writeFileSync(join(workspace, "runs/r/other"), "not stored");
  linkSync(blob, join(mlflow, "delivered"));
  writeFileSync(test.store.path("cache/x/copy"), "cached");
  const { disk, shared, twice } = stats(test.store);
  expect([disk.store.bytes, disk.work.bytes, disk.mlflow.bytes, disk.cache.bytes, shared, twice]).toEqual([12, 22, 0, 6, 12, 12]);
  expect([disk.store.files, disk.work.files, disk.mlflow.files, disk.cache.files, disk.database > 0]).toEqual([1, 2, 1, 1, true]);
});

test("no more lies twice on the disk than is stored, however many files have the size of a blob", async () => {
  using test = await openTestStore();
  for (const bytes of ["ten bytes.", "and others", "eleven here"]) await test.add({ bytes });
  const runs = join(test.store.settings.roots.workspace, "runs/r");
  mkdirSync(runs, { recursive: true });
  for (let nth = 0; nth < 9; nth++) writeFileSync(join(runs, `${nth}`), `same size${nth}`);
  const { stored, twice } = stats(test.store);
  expect([stored, twice]).toEqual([31, 20]);
});

test("what is out of sight is no reference, and waits as stored bytes", async () => {
  using test = await openTestStore();
  const artifact = await test.add({ bytes: "0123456789" });
  test.store.db.run("UPDATE artifacts SET state = 'removed' WHERE seq = ?", [artifact.seq]);
  expect(stats(test.store)).toMatchObject({ references: 0, logical: 0, stored: 10 });
});

test("sizes that add up to more than an integer holds are told all the same", async () => {
  using test = await openTestStore();
  for (let i = 0; i < 3; i++) await test.add({ dataset: "corn" });
  for (const table of ["artifacts", "blobs"]) test.store.db.run(`UPDATE ${table} SET size = 1 << 62`);
  const sum = 3 * 2 ** 62;
  expect(stats(test.store)).toMatchObject({ logical: sum, stored: sum, by_type: [{ bytes: sum }], by_run: [{}, {}, {}] });
  expect(datasetStats(test.store, "corn")).toMatchObject({ logical: sum, stored: sum, by_type: [{ bytes: sum }] });
});
