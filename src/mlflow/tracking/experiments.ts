import * as v from "valibot";
import { CofferError } from "../../domain/error.ts";
import type { Connection } from "../http/connection.ts";
import { asNotMlflow, ServerRefusal } from "../http/refusal.ts";
import { ArtifactUri, ExperimentId } from "./remote-id.ts";
import { call, REST } from "../http/request.ts";

export interface Experiment {
  id: string;
  name: string;
  lifecycle: "active" | "deleted";
  /** Above its runs' artifacts, in the server's words. Not known of one that was just made. */
  artifactLocation?: string;
  /** It was deleted, and this call brought it back. */
  restored?: boolean;
}

/** MLflow's limit, in characters. */
export const MAX_EXPERIMENT_NAME = 500;

const ExperimentAnswer = v.object({
  experiment: v.object({
    experiment_id: ExperimentId,
    name: v.string(),
    lifecycle_stage: v.optional(v.picklist(["active", "deleted"]), "active"),
    artifact_location: v.optional(ArtifactUri),
  }),
});

/**
 * The experiment of this name, made where there is none. Two that make it at once get the same one. `restore` brings back one that is deleted on the server.
 * @throws CofferError NAME_INVALID; SERVER_REFUSED if it is deleted on the server and not to be restored; what `call` throws
 */
export async function ensureExperiment(connection: Connection, name: string, restore = false): Promise<Experiment> {
  const found = await findExperiment(connection, name);
  if (found) return activeAgain(connection, found, restore);
  try {
    const { experiment_id } = await call(
      connection,
      "POST",
      `${REST}/experiments/create`,
      { name },
      v.object({ experiment_id: ExperimentId }),
    );
    return { id: experiment_id, name, lifecycle: "active" };
  } catch (error) {
    // another one was faster, or our own first try did arrive
    const winner = isError(error, "RESOURCE_ALREADY_EXISTS") ? await findExperiment(connection, name) : undefined;
    if (!winner) throw error;
    return activeAgain(connection, winner, restore);
  }
}

/**
 * The experiment of this name, a deleted one too; undefined where there is none.
 * @throws CofferError NAME_INVALID, and what `call` throws
 */
export async function findExperiment(connection: Connection, name: string): Promise<Experiment | undefined> {
  if (name === "" || [...name].length > MAX_EXPERIMENT_NAME || name.includes("\0") || !name.isWellFormed())
    throw new CofferError("NAME_INVALID", `not an experiment's name: ${JSON.stringify(name.slice(0, 60))}`, {
      hint: `give 1 to ${MAX_EXPERIMENT_NAME} characters`,
    });
  return find(connection, "experiments/get-by-name", { experiment_name: name });
}

/** The experiment of this id (`MLFLOW_EXPERIMENT_ID`), a deleted one too; undefined where there is none. */
export function getExperiment(connection: Connection, id: string): Promise<Experiment | undefined> {
  return find(connection, "experiments/get", { experiment_id: id });
}

/** The experiment, brought back where it is deleted and `restore` says so. MLflow brings back every run of it, too. @throws CofferError SERVER_REFUSED */
export async function activeAgain(connection: Connection, experiment: Experiment, restore: boolean): Promise<Experiment> {
  if (experiment.lifecycle === "active") return experiment;
  if (!restore)
    throw new ServerRefusal(`the experiment “${experiment.name}” (${experiment.id}) is deleted on the server`, {
      hint: "bring it back with coffer sync-mlflow --restore, or set another with MLFLOW_EXPERIMENT_NAME",
    });
  try {
    await call(connection, "POST", `${REST}/experiments/restore`, { experiment_id: experiment.id }, v.unknown());
  } catch (error) {
    // the server looks among deleted ones only: another one was faster, or our own first try did arrive
    if (!isError(error, "RESOURCE_DOES_NOT_EXIST") || (await getExperiment(connection, experiment.id))?.lifecycle !== "active") throw error;
  }
  return { ...experiment, lifecycle: "active", restored: true };
}

async function find(connection: Connection, route: string, query: Record<string, string>): Promise<Experiment | undefined> {
  try {
    const { experiment } = await call(connection, "GET", `${REST}/${route}`, query, ExperimentAnswer);
    const { experiment_id: id, name, lifecycle_stage: lifecycle, artifact_location: location } = experiment;
    return { id, name, lifecycle, ...(location !== undefined && { artifactLocation: location }) };
  } catch (error) {
    if (isError(error, "RESOURCE_DOES_NOT_EXIST")) return undefined;
    throw asNotMlflow(error);
  }
}

function isError(error: unknown, code: string): boolean {
  return error instanceof ServerRefusal && error.errorCode === code;
}
