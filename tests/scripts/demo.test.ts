import { join } from "node:path";
import { expect, test } from "bun:test";
import { binary, cleanEnvironment } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);

test("the demo goes as it should", async () => {
  expect(await demo({})).toEqual({ code: 0, wrong: "" });
});

live("with MLFLOW_TRACKING_URI the demo delivers its runs", async () => {
  expect(await demo({ MLFLOW_TRACKING_URI: mlflow.proxied.uri, MLFLOW_EXPERIMENT_NAME: "demo" })).toEqual({ code: 0, wrong: "" });
  const found = await fetch(`${mlflow.proxied.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=demo`);
  const { experiment } = (await found.json()) as { experiment: { experiment_id: string } };
  const search = await fetch(`${mlflow.proxied.uri}/api/2.0/mlflow/runs/search`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ experiment_ids: [experiment.experiment_id], max_results: 10 }),
  });
  const { runs } = (await search.json()) as { runs: { info: { status: string } }[] };
  expect(runs.map(({ info }) => info.status).toSorted()).toEqual(["FAILED", "FAILED", "FINISHED", "FINISHED"]);
});

/** What went wrong, in the demo's own words, after whatever was said on the way. */
async function demo(env: Record<string, string>): Promise<{ code: number; wrong: string }> {
  using root = temporaryRoot();
  binary();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../scripts/demo.ts")], {
    env: { ...cleanEnvironment(), TMPDIR: root.path, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, wrong: code === 0 ? "" : err };
}
