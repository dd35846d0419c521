import { join } from "node:path";
import * as v from "valibot";
import { runToEnd } from "../parts/run-to-end.ts";

const runsSchema = v.array(
  v.object({
    id: v.string(),
    experiment: v.string(),
    name: v.string(),
    status: v.string(),
    artifact_uri: v.string(),
    metrics: v.record(v.string(), v.number()),
    artifacts: v.array(v.object({ path: v.string(), bytes: v.number() })),
  }),
);

export type DeliveredRun = v.InferOutput<typeof runsSchema>[number];

/** All runs of an MLflow server, as its own client reads them. */
export async function readRuns(uri: string, python: string): Promise<DeliveredRun[]> {
  const printed = await runToEnd([python, join(import.meta.dir, "read-runs.py"), uri], "MLflow's client failed");
  return v.parse(runsSchema, JSON.parse(printed));
}

/** The address of its page. */
export function pageOf(uri: string, run: DeliveredRun): string {
  return `${uri}/#/experiments/${run.experiment}/runs/${run.id}`;
}
