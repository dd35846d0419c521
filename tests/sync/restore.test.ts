import { expect, test } from "bun:test";
import { faultyProxy } from "../support/faulty-proxy.ts";
import type { FaultyProxy } from "../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import type { TestStore } from "../support/store.ts";
import type { RunRow } from "../../src/db/records/runs.ts";
import { ask, deliveryOf, points, say, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

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

interface Half extends AsyncDisposable {
  stored: TestStore;
  run: RunRow;
  /** Its id on the server. */
  id: string;
  server: FaultyProxy;
}

/** A run that the server was told of as far as its params and tags, before it was away for a while. */
async function tellHalf(): Promise<Half> {
  let isAway = true;
  const server = await faultyProxy(mlflow.proxied.uri, (request) =>
    isAway && /PUT|runs\/update/.test(request) ? { answer: "503 Busy" } : undefined,
  );
  const stored = await storeFor(server.uri);
  const { run } = await tellLater(stored, { params: { a: "1" }, metrics: points("loss", [1]), artifacts: [{ path: "f", bytes: "f" }] });
  expect(await sync(stored)).toMatchObject({ left: 1, runs: [{ state: "pending", sent: { params: 1, metrics: 1, files: 0 } }] });
  isAway = false;
  server.requests.length = 0;
  const dispose = async (): Promise<void> => {
    stored[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  };
  return { stored, run, id: deliveryOf(stored, run).remote_run as string, server, [Symbol.asyncDispose]: dispose };
}

for (const what of ["run", "experiment"] as const)
  live(
    `half of a run was sent when its ${what} was deleted there: nothing more goes to it, and \`restore\` brings it back and sends the rest`,
    async () => {
      await using half = await tellHalf();
      const { stored, run, id, server } = half;
      if (what === "run") await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
      else await ask(mlflow.proxied.uri, "experiments/delete", { experiment_id: deliveryOf(stored, run).remote_experiment });
      const refused = await sync(stored);
      expect(refused).toMatchObject({ left: 1, runs: [{ state: "refused", remote_run: id }] });
      expect(refused.runs[0]?.error?.message).toContain("deleted on the server");
      expect(refused.runs[0]?.error?.hint).toContain("--restore");
      expect(server.requests.filter((request) => !request.startsWith("GET"))).toEqual([]);
      expect(await sync(stored, { restore: true })).toMatchObject({ synced: 1, left: 0, files: 1 });
      expect(await seenOn(mlflow.proxied.uri, run)).toMatchObject([{ id, status: "FINISHED", params: { a: "1" }, artifacts: { f: 1 } }]);
    },
  );

for (const [what, gone] of [
  ["the server does not know any more", "0".repeat(32)],
  ["has an id that no run has", "../../../x"],
] as const)
  live(`half of a run was sent that ${what}: all of it is sent to a new one`, async () => {
    await using half = await tellHalf();
    const { stored, run, id } = half;
    await ask(mlflow.proxied.uri, "runs/delete", { run_id: id });
    // as with a new database behind the old address: neither the id nor the experiment's is known
    stored.store.db
      .query("UPDATE deliveries SET remote_run = ?, remote_experiment = '0', artifact_uri = 'mlflow-artifacts:/0/x/artifacts'")
      .run(gone);
    stored.store.db.query("UPDATE runs SET id = ?").run(Bun.randomUUIDv7());
    const renamed = { ...run, id: stored.store.db.query<{ id: string }, []>("SELECT id FROM runs").get()?.id as string };
    const report = await sync(stored);
    expect(report).toMatchObject({ synced: 1, left: 0, files: 1 });
    expect(report.runs[0]?.notes).toEqual([`the server no longer has MLflow's run ${gone}: it is made anew`]);
    expect(await seenOn(mlflow.proxied.uri, renamed)).toMatchObject([
      { status: "FINISHED", params: { a: "1" }, metrics: { loss: [[0, 1]] }, artifacts: { f: 1 } },
    ]);
  });
