import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { cleanText } from "./log-values.ts";
import { lacksRoute } from "../http/refusal.ts";
import { call, REST } from "../http/request.ts";

/** What a run read, as MLflow's page of it shows it. */
export interface DatasetInput {
  /** 500 characters at most, as `fitDataset` gives it. */
  name: string;
  /** 36 at most. With the name it says which dataset of the experiment it is. */
  digest: string;
  /** `local`, `s3`, `http` and the like; MLflow's client loads those that it knows. */
  sourceType: string;
  /** JSON; of most types `{"uri": …}`. */
  source: string;
  /** JSON: figures about it. */
  profile: string;
  /** What it was read as: `training` and the like. */
  context: string;
}

const MAX_NAME = 500;
const MAX_DIGEST = 36;
/** The server's limit is 1,000; this keeps a body under what the usual proxies let through, whatever the paths. */
const AT_ONCE = 100;

/** Name and digest as a server keeps them: to compare with what it gives back. A long path keeps its end, which says more. */
export function fitDataset(name: string, digest: string): { name: string; digest: string; cut: boolean } {
  const clean = cleanText(name, Infinity);
  const characters = [...clean];
  const fitting = characters.length > MAX_NAME ? `…${characters.slice(1 - MAX_NAME).join("")}` : clean;
  return { name: fitting, digest: digest.slice(0, MAX_DIGEST), cut: fitting !== name };
}

/**
 * Adds dataset inputs to a run. May be repeated: the server knows a dataset by its name and digest, and names it once for each run. False where the server
 * is too old to keep any (before 2.4).
 * @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE
 */
export async function logInputs(connection: Connection, runId: string, inputs: readonly DatasetInput[]): Promise<boolean> {
  for (let at = 0; at < inputs.length; at += AT_ONCE) {
    const datasets = inputs.slice(at, at + AT_ONCE).map(({ name, digest, sourceType, source, profile, context }) => ({
      dataset: { name, digest, source_type: sourceType, source, profile },
      tags: [{ key: "mlflow.data.context", value: context }],
    }));
    try {
      await call(connection, "POST", `${REST}/runs/log-inputs`, { run_id: runId, datasets }, v.unknown());
    } catch (error) {
      if (lacksRoute(error)) return false;
      throw error;
    }
  }
  return true;
}
