/** Logged models: what MLflow 3 shows of a model beside the run that made it. The server gives their ids, and says where their files go. */
import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { ListAnswer, listTree } from "../artifacts/list-artifacts.ts";
import { cleanText } from "./log-values.ts";
import type { Param, Tag } from "./log-values.ts";
import { Paging } from "../http/paging.ts";
import { lacksRoute } from "../http/refusal.ts";
import { ArtifactUri, ModelId } from "./remote-id.ts";
import { call, callOnce, nameOf, REST } from "../http/request.ts";
import { retry, Transient } from "../http/retry.ts";
import { getRun } from "./runs.ts";
import { callStorageRoute } from "../artifacts/storage-route.ts";

export interface LoggedModel {
  id: string;
  name: string;
  artifactUri: string;
  isReady: boolean;
  tags: Map<string, string>;
}

export interface NewModel {
  experimentId: string;
  runId: string;
  /** As `modelName` gives it. */
  name: string;
  /** What kind it is, such as its class; may be empty. */
  type: string;
  params: readonly Param[];
  tags: readonly Tag[];
}

const ROUTE = `${REST}/logged-models`;
const MAX_NAME = 250;

const Pairs = v.optional(v.array(v.object({ key: v.string(), value: v.optional(v.string(), "") })), []);
const Model = v.object({
  info: v.object({
    model_id: ModelId,
    name: v.optional(v.string(), ""),
    artifact_uri: v.optional(ArtifactUri, ""),
    status: v.optional(v.string(), ""),
    tags: Pairs,
  }),
});
const ModelAnswer = v.object({ model: Model });
const SearchAnswer = v.object({ models: v.optional(v.array(Model), []), next_page_token: v.optional(v.string(), "") });

/** A name that MLflow takes for a model: not empty, without any of `/ : . % " '`. */
export function modelName(name: string): string {
  return cleanText(name.replace(/[/:.%"']/g, "_"), MAX_NAME) || "model";
}

/** Every logged model of a run; undefined where the server has no logged models (before MLflow 3). @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE */
export async function findModels(connection: Connection, experimentId: string, runId: string): Promise<LoggedModel[] | undefined> {
  const found: LoggedModel[] = [];
  const paging = new Paging(connection, nameOf("POST", `${ROUTE}/search`));
  let page: string | undefined;
  do {
    const search = { experiment_ids: [experimentId], filter: `source_run_id = '${runId}'`, max_results: 100, page_token: page };
    try {
      const answer = await call(connection, "POST", `${ROUTE}/search`, search, SearchAnswer);
      found.push(...answer.models.map(loggedModel));
      page = paging.next(answer.next_page_token);
    } catch (error) {
      if (lacksRoute(error)) return undefined;
      throw error;
    }
  } while (page !== undefined);
  return found;
}

/**
 * Makes a logged model, which is not ready yet. Like a run it is never made again blindly: `find` looks before each repetition whether the try before
 * did arrive. `asks` is called before each request that makes one; each of those but the one that made the model which is returned may still arrive.
 */
export function createModel(
  connection: Connection,
  model: NewModel,
  find: () => Promise<LoggedModel | undefined>,
  asks?: () => void,
): Promise<LoggedModel> {
  const { experimentId, runId, name, type, params, tags } = model;
  const wanted = { experiment_id: experimentId, name, model_type: type, source_run_id: runId, params, tags };
  return retry(connection, nameOf("POST", ROUTE), async (repetition) => {
    const there = repetition > 0 ? await find() : undefined;
    if (there) return there;
    asks?.();
    try {
      return loggedModel((await callOnce(connection, "POST", ROUTE, wanted, ModelAnswer)).model);
    } catch (error) {
      throw error instanceof Transient ? error.notBefore(1000) : error;
    }
  });
}

/** All of it is there. May be repeated. */
export async function finishModel(connection: Connection, id: string): Promise<void> {
  await call(connection, "PATCH", `${ROUTE}/${id}`, { model_id: id, status: "LOGGED_MODEL_READY" }, v.unknown());
}

/** Deletes a model that nobody is to see. */
export async function deleteModel(connection: Connection, id: string): Promise<void> {
  await call(connection, "DELETE", `${ROUTE}/${id}`, {}, v.unknown());
}

/** May be repeated. */
export async function tagModel(connection: Connection, id: string, tags: readonly Tag[]): Promise<void> {
  await call(connection, "PATCH", `${ROUTE}/${id}/tags`, { model_id: id, tags }, v.unknown());
}

/** Names models as outputs of a run, those that it does not name yet: the server would keep each as often as it is told. */
export async function addOutputs(connection: Connection, runId: string, models: readonly { id: string; step: number }[]): Promise<void> {
  const path = `${REST}/runs/outputs`;
  await retry(connection, nameOf("POST", path), async () => {
    const known = new Set((await getRun(connection, runId)).models);
    const fresh = models.filter(({ id }) => !known.has(id)).map(({ id, step }) => ({ model_id: id, step }));
    if (fresh.length > 0) await callOnce(connection, "POST", path, { run_id: runId, models: fresh }, v.unknown());
  });
}

/** The files of a model with their sizes in bytes, by path. @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED */
export async function listModelFiles(connection: Connection, id: string): Promise<Map<string, number>> {
  const path = `${ROUTE}/${id}/artifacts/directories`;
  return listTree(
    connection,
    async (directory) => (await callStorageRoute(connection, "GET", path, { artifact_directory_path: directory }, ListAnswer)).files,
  );
}

function loggedModel({ info }: v.InferOutput<typeof Model>): LoggedModel {
  return {
    id: info.model_id,
    name: info.name,
    artifactUri: info.artifact_uri,
    isReady: info.status === "LOGGED_MODEL_READY",
    tags: new Map(info.tags.map(({ key, value }) => [key, value])),
  };
}
