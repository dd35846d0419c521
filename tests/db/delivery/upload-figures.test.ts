import { expect, test } from "bun:test";
import * as outbox from "../../../src/db/delivery/outbox.ts";
import { sumOf, uploadFigures } from "../../../src/db/delivery/upload-figures.ts";
import { openTestStore } from "../../support/store.ts";

const entryOf = (db: Parameters<typeof outbox.entries>[0], delivery: number, artifact: number) =>
  outbox.entries(db, delivery).find((entry) => entry.artifact === artifact)?.seq as number;

test("uploads are counted by server: what is there, what failed and how often, what waits, what was sent again", async () => {
  using test = await openTestStore();
  const { db } = test.store;
  const run = test.run();
  const files = [];
  for (const bytes of ["1", "22", "333"]) files.push(await test.add({ run, bytes }));
  const tree = await test.add({ run, files: { a: "1", b: "2" } });
  const [one, two, three] = files.map(({ seq }) => seq) as [number, number, number];

  const near = outbox.open(db, { run: run.seq, target: "http://near", experiment: "x", at: 1 });
  for (const seq of [one, two, three, tree.seq]) outbox.enqueueArtifact(db, near, seq);
  // there after a failure; failed twice; never tried; a directory
  outbox.failed(db, entryOf(db, near, one), "503");
  outbox.settle(db, entryOf(db, near, one), 5, { how: "put", bytes: 1 });
  for (const why of ["cut", "cut again"]) outbox.failed(db, entryOf(db, near, two), why);
  outbox.settle(db, entryOf(db, near, tree.seq), 5, { how: "put", bytes: 2 });
  for (const times of [1, 2]) outbox.countRetries(db, near, times);
  outbox.updateDelivery(db, near, { last_error: "cut again" });

  const far = outbox.open(db, { run: run.seq, target: "http://far", experiment: "x", at: 1 });
  outbox.enqueueArtifact(db, far, one);
  outbox.enqueueArtifact(db, far, two);
  outbox.settle(db, entryOf(db, far, one), 5, { how: "superseded" });
  // nothing waits in what was given up
  outbox.updateDelivery(db, far, { state: "forgotten", last_error: "given up" });

  const figures = uploadFigures(db);
  expect(figures).toEqual([
    {
      target: "http://far",
      runs: { synced: 0, pending: 0, refused: 0, forgotten: 1 },
      ...{ done: 0, failed: 0, waiting: 0, failures: 0, retried: 0, files: 0, bytes: 0 },
      last_error: null,
    },
    {
      target: "http://near",
      runs: { synced: 0, pending: 1, refused: 0, forgotten: 0 },
      ...{ done: 2, failed: 1, waiting: 1, failures: 3, retried: 3, files: 3, bytes: 3 },
      last_error: "cut again",
    },
  ]);
  expect(sumOf(figures)).toEqual({ done: 2, failed: 1, waiting: 1, failures: 3, retried: 3, files: 3, bytes: 3 });
});

test("a store that told nobody anything has no servers", async () => {
  using test = await openTestStore();
  test.run();
  expect(uploadFigures(test.store.db)).toEqual([]);
});
