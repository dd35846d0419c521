import { expect, test } from "bun:test";
import * as outbox from "../../src/db/delivery/outbox.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import { attachRun } from "../../src/sync/attach-run.ts";
import { claimRun } from "../../src/sync/pending/claim-run.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { ask, deliveryOf, QUICK, say, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsMlflow(test);

live("who delivers a run that is just beginning is waited for; without anybody it is found, not made again", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { run: { state: "running" } });
  const { seq } = deliveryOf(stored, run);
  const claim = claimRun(stored.store, run.seq);
  const attaching = attachRun(stored.store, run, seq, { env: QUICK });
  await Bun.sleep(100);
  expect(proxy.requests).toEqual([]);
  claim[Symbol.dispose]();
  const first = await attaching;
  expect(await attachRun(stored.store, run, seq, { env: QUICK })).toEqual(first);
  expect(await seenOn(mlflow.proxied.uri, run)).toMatchObject([{ id: first.remoteRun, status: "RUNNING" }]);
});

live("a run that a script logs to stays that run where its server is called by another name, and nothing is linked into it", async () => {
  using stored = await storeFor(mlflow.shared.uri);
  const { run } = await tellLater(stored, { run: { state: "running" } });
  const { db } = stored.store;
  outbox.updateDelivery(db, deliveryOf(stored, run).seq, { attached: 1 });
  const { remoteRun } = await attachRun(stored.store, run, deliveryOf(stored, run).seq, { env: QUICK });
  db.query("UPDATE deliveries SET target = 'http://another-name:5000'").run();
  await stored.add({ run, path: "f", bytes: "f" });
  runs.update(db, run.seq, { state: "finished", ended_at: stored.now });
  // in another experiment it could not be found by its tag
  stored.store.settings.values.tracking.mlflow.experiment += " b";
  say(stored, runs.bySeq(db, run.seq) as RunRow, {});
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, runs: [{ remote_run: remoteRun, sent: { files: 1 } }] });
  expect(report.runs[0]?.sent.how).not.toHaveProperty("link");
  expect(outbox.deliveriesOf(db, run.seq)).toMatchObject([{ attached: 1 }, { attached: 1, remote_run: remoteRun }]);
  expect((await seenOn(mlflow.shared.uri, run)).map(({ id }) => id)).toEqual([remoteRun]);
});

live("a run that somebody else made stays the one that is meant where its server is called by another name", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { experiment_id } = await ask<{ experiment_id: string }>(mlflow.proxied.uri, "experiments/create", { name: Bun.randomUUIDv7() });
  const made = await ask<{ run: { info: { run_id: string } } }>(mlflow.proxied.uri, "runs/create", { experiment_id });
  const id = made.run.info.run_id;
  const { run } = await tellLater(stored, { remoteRun: id });
  stored.store.db.query("UPDATE deliveries SET target = 'http://another-name:5000'").run();
  say(stored, run, { params: { a: "1" } });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ remote_run: id, sent: { params: 1 } }] });
  expect(await seenOn(mlflow.proxied.uri, run)).toEqual([]);
  // whoever made it ends it
  const { run: there } = (await (await fetch(`${mlflow.proxied.uri}/api/2.0/mlflow/runs/get?run_id=${id}`)).json()) as typeof made & {
    run: { info: { status: string } };
  };
  expect(there.info.status).toBe("RUNNING");
});
