import { expect, test } from "bun:test";
import { ensureExperiment } from "../../../src/mlflow/tracking/experiments.ts";
import { deleteRun, ensureRun, findTwins, getRun, updateRun } from "../../../src/mlflow/tracking/runs.ts";
import type { NewRun } from "../../../src/mlflow/tracking/runs.ts";
import { sendBatch } from "../../../src/mlflow/tracking/log-batch.ts";
import { mlflow, needsMlflow, readBack } from "../../support/mlflow.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);

async function wanted(more: Partial<NewRun> = {}): Promise<NewRun> {
  const experiment = await ensureExperiment(connectQuickly(mlflow.proxied.uri), `runs ${Bun.randomUUIDv7()}`);
  return {
    experimentId: experiment.id,
    cofferRunId: Bun.randomUUIDv7(),
    name: "bold name",
    user: "eve",
    startTime: 1_700_000_000_123,
    tags: [],
    ...more,
  };
}

live("a run is made with its own start, name, user and tags, ends with its own end, and MLflow's client sees the same", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await wanted({
    tags: [
      { key: "mlflow.source.name", value: "train.py" },
      { key: "mlflow.user", value: "somebody else" },
    ],
  });
  const made = await ensureRun(connection, run);
  await updateRun(connection, made.id, { status: "KILLED", endTime: 1_700_000_009_999 });
  const [seen, ...more] = await readBack(mlflow.proxied, run.cofferRunId);
  expect(more).toEqual([]);
  expect(seen).toMatchObject({
    run_id: made.id,
    name: "bold name",
    status: "KILLED",
    start_time: 1_700_000_000_123,
    end_time: 1_700_000_009_999,
    tags: { "coffer.run_id": run.cofferRunId, "mlflow.runName": "bold name", "mlflow.user": "eve", "mlflow.source.name": "train.py" },
  });
  expect(await getRun(connection, made.id)).toMatchObject({
    id: made.id,
    experimentId: run.experimentId,
    status: "KILLED",
    endTime: 1_700_000_009_999,
    lifecycle: "active",
  });
});

live("a run that is there is found, not made again", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await wanted();
  const made = await ensureRun(connection, run);
  expect((await ensureRun(connection, run)).id).toBe(made.id);
  expect(await readBack(mlflow.proxied, run.cofferRunId)).toHaveLength(1);
});

const accidents: [what: string, fault: Fault][] = [
  ["the answer to its making is lost", { reset: "answer" }],
  ["the request to make it is lost", { reset: "before" }],
  ["a proxy says 503", { answer: "503 Busy" }],
];
for (const [what, fault] of accidents)
  live(`there is one run, although ${what}`, async () => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
      request.endsWith("runs/create") && nth === 1 ? fault : undefined,
    );
    const run = await wanted();
    const made = await ensureRun(connectQuickly(proxy.uri), run);
    const seen = await readBack(mlflow.proxied, run.cofferRunId);
    expect(seen.map(({ run_id }) => run_id)).toEqual([made.id]);
    // the second try asked before it made
    expect(proxy.requests.map((request) => request.slice(request.lastIndexOf("/") + 1)).slice(0, 3)).toEqual([
      "search",
      "create",
      "search",
    ]);
  });

live("a twin is another active run with our id that began with ours and was told nothing", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await wanted();
  const make = async (startTime = run.startTime): Promise<string> => {
    const { id } = await ensureRun(connection, { ...run, startTime, cofferRunId: Bun.randomUUIDv7() });
    await sendBatch(connection, id, { metrics: [], params: [], tags: [{ key: "coffer.run_id", value: run.cofferRunId }] });
    return id;
  };
  const [kept, twin, told, tagged, deleted] = [await make(), await make(), await make(), await make(), await make()] as const;
  // somebody's own copy of the run
  await make(run.startTime + 1);
  await sendBatch(connection, told, { metrics: [], params: [{ key: "a", value: "1" }], tags: [] });
  await sendBatch(connection, tagged, { metrics: [], params: [], tags: [{ key: "mine", value: "1" }] });
  await deleteRun(connection, deleted);
  expect((await findTwins(connection, run.experimentId, { ...run, kept })).map(({ id }) => id)).toEqual([twin]);
});

live("a run that was deleted on the server is given back as deleted", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await wanted();
  const made = await ensureRun(connection, run);
  const body = JSON.stringify({ run_id: made.id });
  await fetch(`${mlflow.proxied.uri}/api/2.0/mlflow/runs/delete`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  expect(await ensureRun(connection, run)).toMatchObject({ id: made.id, lifecycle: "deleted" });
});

live("a name and a user that databases refuse are cut", async () => {
  const made = await ensureRun(connectQuickly(mlflow.proxied.uri), await wanted({ name: `${"é".repeat(300)}`, user: "u\0".repeat(300) }));
  expect([...made.name]).toHaveLength(250);
  expect(made.tags.get("mlflow.runName")).toBe(made.name);
  expect([...(made.tags.get("mlflow.user") ?? "")]).toHaveLength(256);
});

live("the two ways of asking for a run agree about where its artifacts go", async () => {
  const shared = await newRun(connectQuickly(mlflow.shared.uri));
  expect(shared.artifactUri).toStartWith(mlflow.shared.artifacts);
  const proxied = await newRun(connectQuickly(mlflow.proxied.uri));
  expect(proxied.artifactUri).toBe(`mlflow-artifacts:/${proxied.experimentId}/${proxied.id}/artifacts`);
});
