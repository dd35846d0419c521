import { statSync } from "node:fs";
import { destinationOf, directoryOn } from "../mlflow/destination.ts";
import type { Destination } from "../mlflow/destination.ts";
import { provesDestination } from "../mlflow/prove-destination.ts";
import { ServerRefusal } from "../mlflow/refusal.ts";
import type { ShareWish } from "../mlflow/shared-volume.ts";
import type { Sync } from "./sync.ts";

/** How the bytes of one run get to where MLflow looks for them. */
export type Route =
  | { kind: "http"; destination: Destination & { kind: "proxied" } }
  /** A disk that coffer and the server both see: no HTTP body, and where the disk can, no second copy. */
  | { kind: "disk"; directory: string; wish: ShareWish };

/**
 * The run's `artifact_uri` decides. Whether a directory here is the one that the server means stands in no API, and the same path may be another
 * disk on another machine: a marker that the server must list is the only proof, and nothing is placed without it.
 * `given`: somebody else's run, into which their script may still log.
 * @throws CofferError SERVER_REFUSED for a place that cannot be written from here; SERVER_UNREACHABLE
 */
export async function chooseRoute(sync: Sync, remote: { id: string; artifactUri: string }, given: boolean): Promise<Route> {
  const { store, connection } = sync;
  const destination = destinationOf(connection, remote.artifactUri);
  const { share } = store.settings.values.tracking.mlflow;
  // MLflow's own client opens a file that is there for writing: it would write into a blob that was linked
  const wish: ShareWish = given && share !== "copy" ? "clone" : share;
  const disk = destination.kind === "local" ? "" : diskOfServer(sync);
  if (disk !== undefined) {
    const directory = directoryOn(disk, destination);
    if (await provesDestination(connection, remote.id, directory)) return { kind: "disk", directory, wish };
  }
  if (destination.kind === "proxied") return { kind: "http", destination };
  throw new ServerRefusal(
    `${connection.displayUri} keeps artifacts in ${destination.directory}, which is not that directory here, or cannot be written to`,
    {
      status: 0,
      hint: "mount the server's disk at the same path, writable for this user; or start the server with --artifacts-destination, so that it takes artifacts itself",
    },
  );
}

/** Where a server that takes artifacts itself may keep them on a disk seen from here: the configured directory, or MLflow's own tree in the store. */
function diskOfServer({ store }: Sync): string | undefined {
  const directory = store.settings.roots.mlflow;
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() ? directory : undefined;
}
