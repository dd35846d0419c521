import type { BlobRow } from "../../db/bytes/blobs.ts";
import { CofferError } from "../../domain/error.ts";
import { StoreUnreachable } from "../../mlflow/artifacts/object-store.ts";
import { uploadPresigned } from "../../mlflow/artifacts/presigned-upload.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { putObject } from "../../mlflow/artifacts/s3-object.ts";
import { placeShared } from "./place-shared.ts";
import { uploadArtifact } from "../../mlflow/artifacts/upload-artifact.ts";
import { uploadSmall } from "../../mlflow/artifacts/upload-small.ts";
import type { Arrival } from "./arrival.ts";
import { keyOf, whyNot } from "./choose-route.ts";
import type { Route, Way } from "./choose-route.ts";
import type { RemoteFile } from "./lay-out.ts";
import { partsTarget } from "./parts-target.ts";
import { sendParts } from "./send-parts.ts";
import type { StoredSource } from "./stored-source.ts";
import type { Delivering } from "../sync.ts";

export interface Sent {
  how: Arrival;
  /** A blob that got another link: the time of its last change moved, although its bytes did not. */
  linked?: BlobRow;
}

/**
 * Sends one file by the first way that takes it. One that turns out to lead nowhere is not tried again in this call.
 * @throws CofferError SERVER_REFUSED where no way is left; SERVER_UNREACHABLE, CORRUPT, UNREADABLE, COLLISION
 */
export async function sendFile(
  one: Delivering,
  route: Route,
  file: RemoteFile,
  stored: StoredSource,
  moved: (bytes: number) => void,
): Promise<Sent> {
  const { sync } = one;
  const reasons: string[] = [];
  let refusal: CofferError | undefined;
  for (const way of route.ways) {
    const why = await whyNot(sync, way, file.size);
    if (why !== undefined) {
      reasons.push(why);
      continue;
    }
    try {
      return await go(one, way, file, stored, moved);
    } catch (error) {
      const shut = whyShut(way, error);
      if (shut === undefined) throw error;
      if (error instanceof CofferError) refusal ??= error;
      sync.routes.shut(keyOf(way), shut);
      reasons.push(shut);
    }
  }
  throw refusal ?? noWay(route, file, reasons);
}

async function go(
  one: Delivering,
  way: Way,
  file: RemoteFile,
  { row, source }: StoredSource,
  moved: (bytes: number) => void,
): Promise<Sent> {
  const { connection, routes } = one.sync;
  const { path, size } = file;
  if (way.kind === "disk") {
    const { how } = await placeShared(way.directory, path, source, way.wish);
    return how === "link" ? { how, linked: row } : { how };
  }
  const target = size >= routes.uploads.partsFrom ? partsTarget(one.sync, way, path) : undefined;
  if (target) await sendParts(one, target, file, source, moved);
  else if (way.kind === "put") await uploadArtifact(connection, way.destination, path, source, moved);
  else if (way.kind === "s3") await putObject(way.place, path, source, moved);
  else if (way.kind === "presigned") await uploadPresigned(connection, routes.stores, way.run, path, source, moved);
  else if (way.kind === "small") await uploadSmall(connection, way.run, path, source, moved);
  return { how: way.kind };
}

/** What the server itself refuses, it refuses; a storage that does not let us in may be reached by another way. */
function whyShut({ kind }: Way, error: unknown): string | undefined {
  if (kind === "disk" || kind === "put") return undefined;
  return error instanceof StoreUnreachable || error instanceof ServerRefusal ? error.message : undefined;
}

function noWay({ place }: Route, { path }: RemoteFile, reasons: readonly string[]): ServerRefusal {
  return new ServerRefusal(`there is no way to bring ${path} to ${place}: ${reasons.join("; ")}`, {
    hint: `${place.startsWith("s3:") ? "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for that bucket; or " : ""}start the server with --artifacts-destination, so that it takes artifacts itself`,
  });
}
