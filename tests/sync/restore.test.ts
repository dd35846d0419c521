import { expect, test } from "bun:test";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { ask, deliveryOf, say, seenOn, storeFor, sync, tellLater } from "./told.ts";

const live = needsMlflow(test);

live("a run that was deleted on the server is skipped and said, and brought back with `restore`; there is never a second one", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { params: { a: "1" } });
  await sync(stored);
  const id = deliveryOf(stored, run).remote_run as string;
  await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
  const refused = await sync(stored, { check: true });
  expect(refused).toMatchObject({ left: 1, runs: [{ state: "refused", error: { code: "SERVER_REFUSED" } }] });
  expect(refused.runs[0]?.error?.hint).toContain("--restore");
  const restored = await sync(stored, { restore: true });
  expect(restored).toMatchObject({ synced: 1, left: 0, runs: [{ remote_run: id }] });
  expect(restored.runs[0]?.notes).toEqual([`MLflow's run ${id} was deleted on the server, and is brought back`]);
  expect((await seenOn(mlflow.proxied.uri, run)).map((seen) => seen.id)).toEqual([id]);
  expect(stored.store.db.query("SELECT kind FROM events WHERE run = ?").all(run.seq)).toEqual([{ kind: "restored" }]);
});

live("`restore` also looks at synced runs, and says of which it brought back", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored);
  await tellLater(stored);
  await sync(stored);
  const id = deliveryOf(stored, run).remote_run as string;
  await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
  const report = await sync(stored, { restore: true });
  expect(report).toMatchObject({ checked: 2, left: 0, runs: [{ run: run.id, state: "synced" }] });
  expect(report.runs[0]?.notes[0]).toContain("brought back");
  expect(deliveryOf(stored, run).state).toBe("synced");
});

live("an experiment that was deleted on the server is restored with its runs, or the runs that go there are refused", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored);
  await sync(stored);
  const { remote_experiment, remote_run, experiment } = deliveryOf(stored, run);
  await ask(mlflow.proxied.uri, "experiments/delete", { experiment_id: remote_experiment });
  const { run: next } = await tellLater(stored);
  say(stored, run, { params: { late: "1" } });
  const refused = await sync(stored);
  expect(refused).toMatchObject({ left: 2, runs: [{ state: "refused" }, { state: "refused" }] });
  for (const { error } of refused.runs) expect(error?.hint).toContain("--restore");
  expect(refused.runs[0]?.error?.message).toContain(`with its experiment “${experiment}”`);
  const restored = await sync(stored, { restore: true });
  expect(restored).toMatchObject({ synced: 2, left: 0 });
  expect(restored.runs.flatMap(({ notes }) => notes)).toContainEqual(expect.stringContaining(`the experiment “${experiment}” was deleted`));
  expect((await seenOn(mlflow.proxied.uri, run)).map((seen) => [seen.id, seen.params])).toEqual([[remote_run as string, { late: "1" }]]);
  expect((await seenOn(mlflow.proxied.uri, next)).map((seen) => seen.experiment)).toEqual([remote_experiment as string]);
});

live("a run that arrived although its making was never answered, and was deleted there, is found and restored", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored);
  await sync(stored);
  const id = deliveryOf(stored, run).remote_run as string;
  await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
  // as after a crash before the id was written down
  stored.store.db.query("UPDATE deliveries SET remote_run = NULL, artifact_uri = NULL, state = 'pending'").run();
  stored.store.db.query("UPDATE outbox SET settled_at = NULL, how = NULL").run();
  expect(await sync(stored)).toMatchObject({ left: 1, runs: [{ state: "refused" }] });
  expect(await sync(stored, { restore: true })).toMatchObject({ synced: 1 });
  expect((await seenOn(mlflow.proxied.uri, run)).map((seen) => seen.id)).toEqual([id]);
});
