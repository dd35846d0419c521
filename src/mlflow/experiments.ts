import * as v from "valibot";
import { CofferError } from "../domain/error.ts";
import type { Connection } from "./connection.ts";
import { ServerRefusal } from "./refusal.ts";
import { call, REST } from "./request.ts";

export interface Experiment {
  id: string;
  name: string;
  lifecycle: "active" | "deleted";
}

const ExperimentAnswer = v.object({
  experiment: v.object({
    experiment_id: v.string(),
    name: v.string(),
    lifecycle_stage: v.optional(v.picklist(["active", "deleted"]), "active"),
  }),
});

/**
 * The experiment of this name, made where there is none. Two that make it at once get the same one.
 * @throws CofferError NAME_INVALID; SERVER_REFUSED if it is deleted on the server; what `call` throws
 */
export async function ensureExperiment(connection: Connection, name: string): Promise<Experiment> {
  const found = await findExperiment(connection, name);
  if (found) return refuseDeleted(found);
  try {
    const { experiment_id } = await call(
      connection,
      "POST",
      `${REST}/experiments/create`,
      { name },
      v.object({ experiment_id: v.string() }),
    );
    return { id: experiment_id, name, lifecycle: "active" };
  } catch (error) {
    // another one was faster, or our own first try did arrive
    const winner = isError(error, "RESOURCE_ALREADY_EXISTS") ? await findExperiment(connection, name) : undefined;
    if (!winner) throw error;
    return refuseDeleted(winner);
  }
}

/**
 * The experiment of this name, a deleted one too; undefined where there is none.
 * @throws CofferError NAME_INVALID, and what `call` throws
 */
export async function findExperiment(connection: Connection, name: string): Promise<Experiment | undefined> {
  if (name === "" || [...name].length > 500 || name.includes("\0") || !name.isWellFormed())
    throw new CofferError("NAME_INVALID", `not an experiment's name: ${JSON.stringify(name.slice(0, 60))}`, {
      hint: "give 1 to 500 characters",
    });
  return find(connection, "experiments/get-by-name", { experiment_name: name });
}

/** The experiment of this id (`MLFLOW_EXPERIMENT_ID`), a deleted one too; undefined where there is none. */
export function getExperiment(connection: Connection, id: string): Promise<Experiment | undefined> {
  return find(connection, "experiments/get", { experiment_id: id });
}

async function find(connection: Connection, route: string, query: Record<string, string>): Promise<Experiment | undefined> {
  try {
    const { experiment } = await call(connection, "GET", `${REST}/${route}`, query, ExperimentAnswer);
    return { id: experiment.experiment_id, name: experiment.name, lifecycle: experiment.lifecycle_stage };
  } catch (error) {
    if (isError(error, "RESOURCE_DOES_NOT_EXIST")) return undefined;
    throw error;
  }
}

function refuseDeleted(experiment: Experiment): Experiment {
  if (experiment.lifecycle === "active") return experiment;
  throw new ServerRefusal(`the experiment “${experiment.name}” (${experiment.id}) is deleted on the server`, {
    status: 0,
    hint: `restore it with \`mlflow experiments restore --experiment-id ${experiment.id}\`, or set another with MLFLOW_EXPERIMENT_NAME`,
  });
}

function isError(error: unknown, code: string): boolean {
  return error instanceof ServerRefusal && error.errorCode === code;
}
