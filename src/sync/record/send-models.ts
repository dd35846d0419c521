import * as outbox from "../../db/delivery/outbox.ts";
import type { OutboxRow } from "../../db/delivery/outbox.ts";
import * as tags from "../../db/records/tags.ts";
import { parseDigest } from "../../domain/digest.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { prepareParam, prepareTag } from "../../mlflow/tracking/log-values.ts";
import type { Param, Tag } from "../../mlflow/tracking/log-values.ts";
import { addOutputs, createModel, findModels, finishModel, modelName, tagModel } from "../../mlflow/tracking/logged-models.ts";
import type { LoggedModel } from "../../mlflow/tracking/logged-models.ts";
import { remoteName } from "../../mlflow/artifacts/remote-name.ts";
import { inParallel } from "../files/in-parallel.ts";
import type { Layout, Piece } from "../files/lay-out.ts";
import { sendModelFiles } from "../files/send-model-files.ts";
import { checkTime } from "../sync.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";
import { UploadProgress } from "../files/upload-progress.ts";

/** Ties a logged model to our artifact: MLflow gives the ids of models itself. */
const MODEL_TAG = "coffer.artifact";

/** What one request takes. */
const MAX_PARAMS = 100;

/**
 * Settles the step `models`: each model of the run is a logged model of its page, found by its tag before it is made. The files of one that MLflow can load
 * (a directory with an `MLmodel`) also go where MLflow loads it from. A server without logged models shows them as files only.
 * @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE and what sending files throws
 */
export async function sendModels(one: Delivering, entry: OutboxRow, layout: Layout, alongside: boolean): Promise<void> {
  const { store, connection } = one.sync;
  const settle = (how?: string): void =>
    store.transaction(() => outbox.settle(store.db, entry.seq, store.now(), how === undefined ? {} : { how }));
  const pieces = modelPieces(layout, alongside);
  if (pieces.length === 0) return settle();
  checkTime(one.sync);
  const runId = one.delivery.remote_run as string;
  const find = () => findModels(connection, one.delivery.remote_experiment as string, runId);
  const known = await find();
  if (known === undefined) return settle("unsupported");
  const ready: LoggedModel[] = [];
  const taken = new Set(layout.pieces.flatMap(({ files }) => files.map(({ path }) => path.replace(/\/.*/, ""))));
  const unfinished = pieces.filter((piece) => isLoadable(piece) && !madeOf(known, piece)?.isReady);
  const progress = new UploadProgress(
    one,
    unfinished.flatMap(({ files }) => files),
  );
  await inParallel(pieces, one.sync.jobs, async (piece) => {
    const model = madeOf(known, piece) ?? (await makeModel(one, piece, taken, async () => madeOf((await find()) ?? [], piece)));
    if (!model.isReady) {
      if (isLoadable(piece)) await sendModelFiles(one, model, piece, progress);
      await finishModel(connection, model.id);
      syncPoint("sync.model-finished");
      one.tally.models++;
    }
    ready.push(model);
  });
  await addOutputs(
    connection,
    runId,
    ready.map(({ id }) => ({ id, step: 0 })),
  );
  syncPoint("sync.models-named");
  settle("made");
}

/** What is a model of this run. A script that logs to the run as well logs its own models: only what was logged, or has a name, counts. */
export function modelPieces({ pieces }: Layout, alongside: boolean): Piece[] {
  return pieces.filter((piece) => {
    const { type, role, name } = piece.artifact;
    return (!alongside || role === "logged" || name !== null) && (type === "model" || type === "meta_model" || isLoadable(piece));
  });
}

function isLoadable({ artifact, files }: Piece): boolean {
  if (artifact.kind !== "tree") return false;
  const { path } = remoteName(`${artifact.path}/MLmodel`);
  return files.some((file) => file.path === path);
}

/** Models that were made of an artifact; more than one where a request arrived late. */
export function modelsOf(known: readonly LoggedModel[], { artifact }: Piece): LoggedModel[] {
  return known.filter((model) => model.tags.get(MODEL_TAG) === artifact.uid);
}

function madeOf(known: readonly LoggedModel[], piece: Piece): LoggedModel | undefined {
  const alike = modelsOf(known, piece);
  return alike.find(({ isReady }) => isReady) ?? alike[0];
}

async function makeModel(
  one: Delivering,
  piece: Piece,
  taken: ReadonlySet<string>,
  find: () => Promise<LoggedModel | undefined>,
): Promise<LoggedModel> {
  const { connection, store } = one.sync;
  const { artifact } = piece;
  const name = freeName(modelName(artifact.name ?? artifact.path.slice(artifact.path.lastIndexOf("/") + 1)), piece, taken);
  if (artifact.name !== null && name !== artifact.name)
    tell(one, { kind: "renamed", message: `model “${artifact.name}” is called “${name}” on the server: MLflow does not take its name` });
  const params = paramsOf(piece);
  if (params.length > MAX_PARAMS)
    tell(one, { kind: "truncated", message: `model “${name}” shows ${MAX_PARAMS} of its ${params.length} params on the server` });
  const all = tagsOf(one, piece);
  const model = {
    experimentId: one.delivery.remote_experiment as string,
    runId: one.delivery.remote_run as string,
    name,
    type: artifact.class ?? "",
    params: params.slice(0, MAX_PARAMS),
    tags: all.slice(0, MAX_PARAMS),
  };
  const countLate = (change: 1 | -1): void => store.transaction(() => outbox.countLate(store.db, one.delivery.seq, "models", change));
  const made = await createModel(connection, model, find, () => countLate(1));
  syncPoint("sync.model-made");
  countLate(-1);
  if (all.length > MAX_PARAMS) await tagModel(connection, made.id, all.slice(MAX_PARAMS));
  return made;
}

/**
 * Asked for what lies in a directory of a run, MLflow's client also looks for a model of that name, and lists what it finds there a second time, or asks another
 * server for it (3.17.2). So no model is called like something at the run's root.
 */
function freeName(name: string, { artifact }: Piece, taken: ReadonlySet<string>): string {
  return taken.has(name) ? `${name}-${parseDigest(artifact.digest).hex.slice(0, 6)}` : name;
}

function tagsOf({ sync: { store } }: Delivering, { artifact, files }: Piece): Tag[] {
  const own: [string, string | null][] = [
    [MODEL_TAG, artifact.uid],
    ["coffer.path", artifact.kind === "file" ? (files[0]?.path ?? artifact.path) : remoteName(artifact.path).path],
    ["coffer.digest", artifact.digest],
    ["coffer.version", artifact.name === null ? null : String(artifact.version)],
    ["mlflow.note.content", artifact.description],
  ];
  const all = new Map(Object.entries(tags.of(store.db, "artifact", artifact.seq)));
  for (const [key, value] of own) if (value) all.set(key, value);
  // the one that it is found by goes first
  const first = all.get(MODEL_TAG) as string;
  all.delete(MODEL_TAG);
  return [[MODEL_TAG, first] as const, ...all].map(([key, value]) => prepareTag({ key, value }).value);
}

function paramsOf({ artifact }: Piece): Param[] {
  const all = Object.entries(JSON.parse(artifact.params) as Record<string, unknown>).filter(([key]) => key !== "");
  return all.map(([key, value]) => prepareParam({ key, value: typeof value === "string" ? value : JSON.stringify(value) }).value);
}
