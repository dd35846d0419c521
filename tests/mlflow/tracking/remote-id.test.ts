import { expect, test } from "bun:test";
import { ensureExperiment, findExperiment } from "../../../src/mlflow/tracking/experiments.ts";
import { findModels } from "../../../src/mlflow/tracking/logged-models.ts";
import { ensureRun, getRun } from "../../../src/mlflow/tracking/runs.ts";
import { askServer } from "../../../src/mlflow/tracking/server-info.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

const RUN = "0123456789abcdef0123456789abcdef";

/** What a server that gives this id to everything, and this place to its artifacts, is asked. */
async function askEverything(ids: { run?: string; experiment?: string; model?: string; place?: string }): Promise<unknown[]> {
  const { run = RUN, experiment = "5", model = "m-0123", place = "mlflow-artifacts:/5/x" } = ids;
  const made = { info: { run_id: run, experiment_id: experiment, artifact_uri: place } };
  const found = { experiment_id: experiment, name: "e", artifact_location: place };
  const answers: Record<string, object> = {
    "runs/search": {},
    "runs/create": { run: made },
    "runs/get": { run: made },
    "experiments/get-by-name": { experiment: found },
    "experiments/create": { experiment_id: experiment },
    "experiments/search": { experiments: [found] },
    "logged-models/search": { models: [{ info: { model_id: model, artifact_uri: place } }] },
  };
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => Response.json(answers[new URL(request.url).pathname.replace("/api/2.0/mlflow/", "")]),
  });
  const connection = connectQuickly(`http://127.0.0.1:${server.port}`);
  const wanted = { experimentId: "5", cofferRunId: Bun.randomUUIDv7(), name: "n", user: "u", startTime: 1, tags: [] };
  const calls = [
    ensureRun(connection, wanted),
    getRun(connection, RUN),
    findExperiment(connection, "e"),
    ensureExperiment(connection, "e"),
    askServer(connection),
    findModels(connection, "5", RUN),
  ];
  return (await Promise.allSettled(calls)).map((call) => (call.status === "fulfilled" ? "taken" : (call.reason as unknown)));
}

const refused = expect.objectContaining({ code: "SERVER_REFUSED", message: expect.stringContaining("the answer is not MLflow's") });

test("ids as MLflow gives them are taken, whatever server gives them", async () => {
  expect(await askEverything({})).toEqual(Array(6).fill("taken"));
  expect(await askEverything({ run: "my_run-1", experiment: "workspace-9", model: "m-1_2", place: "s3://b/a b/ü" })).toEqual(
    Array(6).fill("taken"),
  );
});

test.each(["../../../x", "../5", "a/b", "..", ".", "", "a\nb", "a b", "x".repeat(257), "5?x=1", "5#", "5'"])(
  "an id %j is no MLflow's, and never kept",
  async (id) => {
    const [runs, all] = [await askEverything({ run: id }), await askEverything({ experiment: id })];
    expect(runs).toEqual([refused, refused, "taken", "taken", "taken", "taken"]);
    expect(all).toEqual([refused, refused, refused, refused, refused, "taken"]);
    expect(await askEverything({ model: id })).toEqual(["taken", "taken", "taken", "taken", "taken", refused]);
  },
);

test("a place with a line break in it is none", async () => {
  expect(await askEverything({ place: "s3://bucket/a\r\nb" })).toEqual([refused, refused, refused, refused, "taken", refused]);
});
