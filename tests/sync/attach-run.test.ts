import { expect, test } from "bun:test";
import { attachRun } from "../../src/sync/attach-run.ts";
import { claimRun } from "../../src/sync/claim-run.ts";
import { faultyProxy } from "../mlflow/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { deliveryOf, QUICK, seenOn, storeFor, tellLater } from "./told.ts";

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
