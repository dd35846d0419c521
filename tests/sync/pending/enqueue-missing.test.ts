import { expect, test } from "bun:test";
import * as outbox from "../../../src/db/delivery/outbox.ts";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { enqueueRun } from "../../../src/registry/enqueue.ts";
import { enqueueMissing } from "../../../src/sync/pending/enqueue-missing.ts";
import { preview } from "../../../src/sync/pending/preview.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { points, say, storeFor, tellLater } from "../../support/told.ts";

function enqueueIn({ store }: TestStore): (run: RunRow) => void {
  return (run) => void enqueueRun(store, run, { asked: true });
}

test("runs that ended before a server was named are enqueued once; those that go on, are imported or out of sight are not", async () => {
  using stored = await openTestStore({ "tracking.mlflow.uri": "http://u:hunter2@host:5000/", "tracking.mlflow.sync": "never" });
  const ended = [stored.run(), stored.run({ state: "failed" }), stored.run({ kind: "log" })];
  for (const given of [{ state: "running" }, { kind: "import" }, { removed_at: 5 }] as const) stored.run(given);
  expect(enqueueMissing(stored.store, enqueueIn(stored))).toBe(3);
  expect(enqueueMissing(stored.store, enqueueIn(stored))).toBe(0);
  expect(outbox.openDeliveries(stored.store.db, "http://host:5000").map(({ run }) => run)).toEqual(ended.map(({ seq }) => seq));
  expect(Buffer.from(stored.store.db.serialize()).includes("hunter2")).toBe(false);
});

test("a run that another server has is missing here, and only chosen ones are enqueued where some are chosen", async () => {
  using stored = await storeFor("http://host:5000");
  const { run } = await tellLater(stored);
  const other = stored.run();
  stored.store.transaction(() => outbox.updateDelivery(stored.store.db, 1, { state: "synced" }));
  stored.store.db.run("UPDATE deliveries SET target = 'http://elsewhere'");
  expect(enqueueMissing(stored.store, enqueueIn(stored), new Set([run.seq]))).toBe(1);
  expect(outbox.deliveriesOf(stored.store.db, run.seq).map(({ target, state }) => [target, state])).toEqual([
    ["http://elsewhere", "synced"],
    ["http://host:5000", "pending"],
  ]);
  expect(outbox.deliveriesOf(stored.store.db, other.seq)).toEqual([]);
});

test("a preview counts what waits and what would be enqueued, and changes nothing", async () => {
  using stored = await storeFor("http://host:5000");
  const { run } = await tellLater(stored, {
    params: { a: "1" },
    tags: { t: "1" },
    metrics: points("loss", [1, 2]),
    artifacts: [
      { path: "d", files: { a: "12", b: "345" } },
      { path: "f", bytes: "6" },
    ],
  });
  const unknown = stored.run();
  await tellLater(stored, { run: { removed_at: 5 } });
  const before = Buffer.from(stored.store.db.serialize());
  const { target, runs } = await preview(stored.store, enqueueIn(stored));
  expect(target).toBe("http://host:5000");
  expect(runs).toEqual([
    {
      run: run.id,
      experiment: expect.any(String),
      remote_run: null,
      steps: ["run", "params", "tags", "metrics", "artifact", "models", "end"],
      params: 1,
      tags: 1,
      metrics: 2,
      files: 3,
      bytes: 6,
      sends: [
        { path: "d/a", size: 2 },
        { path: "d/b", size: 3 },
        { path: "f", size: 1 },
      ],
      notes: [],
    },
    {
      run: unknown.id,
      experiment: expect.any(String),
      remote_run: null,
      steps: ["run", "params", "tags", "metrics", "end"],
      params: 0,
      tags: 0,
      metrics: 0,
      files: 0,
      bytes: 0,
      sends: [],
      notes: [],
    },
  ]);
  expect(Buffer.from(stored.store.db.serialize()).equals(before)).toBe(true);
  say(stored, unknown, {});
  const only = new Set([unknown.seq]);
  expect((await preview(stored.store, enqueueIn(stored), { only })).runs.map((one) => one.run)).toEqual([unknown.id]);
});
