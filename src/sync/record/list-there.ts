import { destinationOf } from "../../mlflow/artifacts/destination.ts";
import { listArtifacts, listDirectories } from "../../mlflow/artifacts/list-artifacts.ts";
import { StoreUnreachable } from "../../mlflow/artifacts/object-store.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { listS3 } from "../../mlflow/artifacts/s3-object.ts";
import { ownKeys } from "../files/choose-route.ts";
import type { Delivering } from "../sync.ts";

/**
 * The files of a run with their sizes, by path; `directories`: those that are looked into (`""` is the run's root), and no others. The server is asked, unless the bucket is ours to read:
 * a server without artifacts of its own often has no keys for it.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function listThere({ sync, delivery }: Delivering, directories: ReadonlySet<string>): Promise<Map<string, number>> {
  const uri = delivery.artifact_uri ?? "";
  const destination = /^s3:/i.test(uri) ? destinationOf(sync.connection, uri) : undefined;
  const own = destination?.kind === "s3" ? ownKeys(sync, destination)[0] : undefined;
  if (own)
    try {
      return await listS3(own.place);
    } catch (error) {
      // keys that may write, and not list
      if (!(error instanceof ServerRefusal) && !(error instanceof StoreUnreachable)) throw error;
    }
  const run = delivery.remote_run as string;
  try {
    return await listDirectories(sync.connection, run, directories);
  } catch (error) {
    // a storage that will not list what is not there: it is gone down into as far as it goes
    if (!(error instanceof ServerRefusal) || error.status < 400 || [401, 403].includes(error.status)) throw error;
    return listArtifacts(sync.connection, run, (directory) =>
      [...directories].some((own) => own === directory || own.startsWith(`${directory}/`)),
    );
  }
}
