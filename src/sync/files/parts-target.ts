import type { Connection } from "../../mlflow/http/connection.ts";
import type { Destination } from "../../mlflow/artifacts/destination.ts";
import {
  abortProxiedParts,
  beginProxiedParts,
  completeProxiedParts,
  putSignedPart,
  sizeInStorage,
} from "../../mlflow/artifacts/proxied-parts.ts";
import type { SignedPart } from "../../mlflow/artifacts/proxied-parts.ts";
import { abortS3Parts, baseOf, beginS3Parts, completeS3Parts, listS3, putS3Part } from "../../mlflow/artifacts/s3-object.ts";
import type { S3Place } from "../../mlflow/artifacts/s3-object.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import type { UploadSource } from "../../mlflow/artifacts/upload-source.ts";
import type { Way } from "./choose-route.ts";
import type { Sync } from "../sync.ts";

/** An upload in parts that was begun. `signed` is empty where parts are signed as they are sent. */
export interface BegunUpload {
  uploadId: string;
  signed: readonly SignedPart[];
}

export interface Part {
  /** From 1. */
  number: number;
  /** Bytes of the file. */
  from: number;
  to: number;
}

/** A place that takes one file in parts. */
export interface PartsTarget {
  /** What its upload ids mean something to. */
  readonly place: string;
  begin(parts: number): Promise<BegunUpload>;
  /** Returns the part's etag. */
  put(upload: BegunUpload, part: Part, source: UploadSource, sent: (bytes: number) => void): Promise<string>;
  complete(upload: BegunUpload, etags: ReadonlyMap<number, string>): Promise<void>;
  /** Bytes of the file that is there now; undefined where there is none. */
  size(): Promise<number | undefined>;
  /** Tried once. */
  abort(uploadId: string): Promise<void>;
}

/** Where a file of this path goes in parts; undefined for a way that takes files whole. */
export function partsTarget(sync: Sync, way: Way, path: string): PartsTarget | undefined {
  if (way.kind === "parts") return proxiedTarget(sync, way.destination, path);
  return way.kind === "s3" ? s3Target(way.place, path) : undefined;
}

/** The storage behind a server, which signs an address for each part. */
function proxiedTarget(
  { connection, routes: { stores } }: Sync,
  destination: Destination & { kind: "proxied" },
  path: string,
): PartsTarget {
  return {
    place: `parts ${destination.url}`,
    begin: (parts) => beginProxiedParts(connection, destination, path, parts),
    put({ signed }, part, source, sent) {
      const mine = signed.find(({ number }) => number === part.number);
      if (!mine)
        throw new ServerRefusal(`${connection.displayUri} signed no address for part ${part.number} of ${path}`, {
          hint: "set MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=false to send files whole",
        });
      return putSignedPart(connection, stores, path, mine, part, source, sent);
    },
    complete: (upload, etags) => completeProxiedParts(connection, destination, path, upload, etags),
    size: () => sizeInStorage(connection, destination, path),
    abort: (uploadId) => abortProxiedParts(once(connection), destination, path, uploadId),
  };
}

/** A bucket that this environment has keys for. */
function s3Target(place: S3Place, path: string): PartsTarget {
  return {
    place: `s3 ${baseOf(place)}/${place.destination.prefix}`,
    begin: async () => ({ uploadId: await beginS3Parts(place, path), signed: [] }),
    put: ({ uploadId }, part, source, sent) => putS3Part(place, path, uploadId, part, source, sent),
    complete: ({ uploadId }, etags) => completeS3Parts(place, path, uploadId, etags),
    size: async () => (await listS3(place)).get(path),
    abort: (uploadId) => abortS3Parts({ ...place, connection: once(place.connection) }, path, uploadId),
  };
}

function once(connection: Connection): Connection {
  return { ...connection, retry: { ...connection.retry, times: 0 } };
}
