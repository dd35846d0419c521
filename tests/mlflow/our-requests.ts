// As official_requests.py, with coffer's own requests: fetch reads some variables of the process itself.
import * as v from "valibot";
import { CofferError } from "../../src/domain/error.ts";
import { connect } from "../../src/mlflow/http/connection.ts";
import { getExperiment } from "../../src/mlflow/tracking/experiments.ts";

const Cases = v.array(v.object({ uri: v.string(), env: v.record(v.string(), v.string()) }));
const ends: string[] = [];
for (const { uri, env } of v.parse(Cases, await Bun.stdin.json())) {
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    await getExperiment(connect({ uri, env: process.env }), "0");
    ends.push("done");
  } catch (error) {
    ends.push(error instanceof CofferError ? error.code : String(error));
  }
  for (const name of Object.keys(env)) delete process.env[name];
  Object.assign(process.env, before);
}
console.log(JSON.stringify(ends));
