import { destinationOf, directoryOn } from "../../mlflow/artifacts/destination.ts";
import type { Destination } from "../../mlflow/artifacts/destination.ts";
import { listModelFiles } from "../../mlflow/tracking/logged-models.ts";
import type { LoggedModel } from "../../mlflow/tracking/logged-models.ts";
import { remoteName } from "../../mlflow/artifacts/remote-name.ts";
import { CofferError } from "../../domain/error.ts";
import { chooseRoute, routeTo } from "./choose-route.ts";
import type { Route, Way } from "./choose-route.ts";
import type { Piece, RemoteFile } from "./lay-out.ts";
import { dropLeftovers } from "./place-shared.ts";
import { restamp } from "../record/restamp.ts";
import { sendFiles } from "./send-files.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";
import type { UploadProgress } from "./upload-progress.ts";

/**
 * Sends the files of a directory that MLflow can load to the place of its logged model, so that `models:/m-…` loads it. They lie with the run already: on a disk that
 * both see this costs a link, elsewhere the bytes go a second time.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED, INCOMPLETE, CORRUPT, UNREADABLE
 */
export async function sendModelFiles(
  one: Delivering,
  model: LoggedModel,
  { artifact, files }: Piece,
  progress: UploadProgress,
): Promise<void> {
  const route = await routeOf(one, model.artifactUri);
  if (route.ways.length === 0) {
    for (const file of files) progress.done(file);
    const message = `the files of the model ${artifact.path} lie with the run only: MLflow keeps models in ${route.place}`;
    return tell(one, { kind: "skipped", message });
  }
  const above = `${remoteName(artifact.path).path}/`.length;
  const own = files.map((file) => ({ ...file, path: file.path.slice(above) }));
  const there = await listModelFiles(one.sync.connection, model.id);
  const [first] = route.ways;
  if (first?.kind === "disk") dropLeftovers(first.directory, there.keys());
  const isThere = ({ path, size }: RemoteFile): boolean => there.get(path) === size;
  for (const file of own) if (isThere(file)) progress.done(file);
  const missing = own.filter((file) => !isThere(file)).sort((a, b) => b.size - a.size);
  if (missing.length === 0) return;
  const { store } = one.sync;
  await sendFiles(one, route, missing, {
    progress,
    arrived(_, { linked }) {
      if (linked) store.transaction(() => restamp(store, linked));
    },
    failed(_, error) {
      throw error;
    },
  });
  const now = await listModelFiles(one.sync.connection, model.id);
  const lost = own.find((file) => now.get(file.path) !== file.size);
  if (lost)
    throw new CofferError("INCOMPLETE", `the server does not have ${lost.path} of the model ${artifact.path}`, {
      hint: "look into the server's log if it stays so",
    });
}

/** Beside the run: what was proven of the run's own directory holds for the model's. */
async function routeOf({ sync, delivery }: Delivering, artifactUri: string): Promise<Route> {
  const destination = destinationOf(sync.connection, artifactUri);
  const run = { id: delivery.remote_run as string, artifactUri: delivery.artifact_uri as string };
  const [first] = (await chooseRoute(sync, run, false)).ways;
  const runs = destinationOf(sync.connection, run.artifactUri);
  const disk = first?.kind === "disk" ? diskBelow(first, runs, destination) : undefined;
  return disk ? { place: disk.directory, ways: [disk] } : routeTo(sync, destination);
}

function diskBelow(way: Way & { kind: "disk" }, run: Destination, model: Destination): (Way & { kind: "disk" }) | undefined {
  if (run.kind === "local" && model.kind === "local") return { ...way, directory: model.directory };
  if (run.kind !== "proxied" || model.kind !== "proxied" || !way.directory.endsWith(run.path)) return undefined;
  return { ...way, directory: directoryOn(way.directory.slice(0, -run.path.length), model) };
}
