// scripts that use MLflow's own client and know nothing of coffer, under `coffer run --attach`
import { expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mlflow, needsMlflow, readBack } from "../support/mlflow.ts";
import type { ReadRun } from "../support/mlflow.ts";
import { events, place } from "./run-place.ts";

const live = needsMlflow(test);

const STARTS_A_RUN = `
import os, mlflow
with mlflow.start_run() as run:
    os.chdir(os.environ["COFFER_WORKSPACE"])
    mlflow.log_params({"lr": 0.1, "seed": 7})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 - step / 4, step=step)
    mlflow.set_tag("team", "script")
    def log(name, text):
        open(name, "w").write(text)
        mlflow.log_artifact(name)
    log("same.txt", "same")
    log("other.txt", "old")
    open("other.txt", "w").write("new")
    log("longer.txt", "short")
    open("longer.txt", "w").write("no longer")
    log("gone.txt", "the script's alone")
    os.remove("gone.txt")
    open("model.bin", "w").write("weights")
    open("params.json", "w").write('{"lr": 0.2, "depth": 3}')
    open("metrics.json", "w").write('{"loss": 0.25, "acc": 0.9}')
    print(run.info.run_id)
`;

const NEVER_STARTS_ONE = `
import os, sys, mlflow
mlflow.log_metric("acc", 0.5)
os.chdir(os.environ["COFFER_WORKSPACE"])
open("model.bin", "w").write("weights")
mlflow.log_artifact("model.bin")
print(mlflow.active_run().info.run_id)
sys.exit(3)
`;

/** `tmp` lies where the client keeps what it is about to send. */
function client(python: string, uri: string): { words: string[]; env: Record<string, string> } {
  return {
    words: ["--", python, "train.py"],
    env: {
      MLFLOW_TRACKING_URI: uri,
      MLFLOW_EXPERIMENT_NAME: `attach ${Bun.randomUUIDv7()}`,
      MLFLOW_DISABLE_TELEMETRY: "true",
      TMPDIR: tmpdir(),
    },
  };
}

live("a script that starts a run logs to the one that coffer made, and what both have to say stands there", async () => {
  using here = place();
  here.write("train.py", STARTS_A_RUN);
  const { words, env } = client(mlflow.proxied.python, mlflow.proxied.uri);
  const result = await here.coffer(["run", "--attach", "--tag", "stage=1", ...words], { env });
  expect([result.code, result.stderr]).toEqual([0, expect.stringContaining(`coffer: attached to ${mlflow.proxied.uri}/#/experiments/`)]);
  const run = await here.shown();
  const [seen, ...more] = (await readBack(mlflow.proxied, run.id)) as [ReadRun, ...ReadRun[]];
  expect(more).toEqual([]);
  expect(result.stdout.split("\n")[0]).toBe(seen.run_id);
  expect(seen).toMatchObject({
    experiment: env["MLFLOW_EXPERIMENT_NAME"],
    status: "FINISHED",
    start_time: Date.parse(run.started_at),
    end_time: Date.parse(run.ended_at as string),
    // MLflow keeps the first value of a param
    params: { lr: "0.1", seed: "7", depth: "3" },
    tags: { team: "script", stage: "1", "mlflow.user": run.user, "coffer.run_id": run.id },
    artifacts: { "same.txt": 4, "other.txt": 3, "longer.txt": 9, "gone.txt": 18, "model.bin": 7, "stdout.log": expect.any(Number) },
  });
  expect(seen.metrics["loss"]?.map(([value, step]) => [step, value]).toSorted()).toEqual([
    [0, 0.25],
    [0, 1],
    [1, 0.75],
    [2, 0.5],
  ]);
  expect(seen.metrics["acc"]?.map(([value]) => value)).toEqual([0.9]);
  const other = await fetch(`${mlflow.proxied.uri}/get-artifact?run_id=${seen.run_id}&path=other.txt`);
  expect(await other.text()).toBe("new");
  expect(run.deliveries).toMatchObject([{ state: "synced", remote_run: seen.run_id, attached: true, waiting: 0 }]);
  expect(events(run, "replaced")).toEqual([
    "2 files that the server had already with other bytes made room for the run's own: longer.txt, other.txt",
  ]);
  expect(events(run, "skipped")).toEqual([
    "param “lr” is “0.1” on the server, and “0.2” here: MLflow keeps the first value, which the script logged",
  ]);
  for (const words of [...events(run, "replaced"), ...events(run, "skipped")]) expect(result.stderr).toContain(words);
  // it is as it should be, and stays so
  const check = await here.coffer(["sync-mlflow", "--check"], { env });
  expect([check.code, check.stderr]).toEqual([0, "coffer: 1 synced run looked at; the server has all of it\n"]);
});

live("a script that just logs, on a shared disk: it fails with coffer's word for it, and can write into no blob", async () => {
  using here = place();
  here.write("train.py", NEVER_STARTS_ONE);
  const { words, env } = client(mlflow.shared.python, mlflow.shared.uri);
  const result = await here.coffer(["run", "--attach", "--keep-failed", ...words], { env });
  expect([result.code, result.stderr]).toEqual([3, expect.stringContaining("delivered to")]);
  const run = await here.shown();
  const [seen, ...more] = (await readBack(mlflow.shared, run.id)) as [ReadRun, ...ReadRun[]];
  expect([more, result.stdout.split("\n")[0]]).toEqual([[], seen.run_id]);
  expect(seen).toMatchObject({
    status: "FAILED",
    end_time: Date.parse(run.ended_at as string),
    metrics: { acc: [[0.5, 0, expect.any(Number)]] },
    artifacts: { "model.bin": 7, "stdout.log": expect.any(Number) },
  });
  const blob = (await here.artifact(`${run.id}/stdout.log`)).digest;
  const kept = (await here.coffer(["get", blob])).stdout.trim();
  const placed = join(seen.artifact_uri, "stdout.log");
  expect(readFileSync(placed)).toEqual(readFileSync(kept));
  expect(statSync(placed).ino).not.toBe(statSync(kept).ino);
});
