import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOnServer } from "../http/connection.ts";
import type { Connection } from "../http/connection.ts";
import { ServerRefusal } from "../http/refusal.ts";

/** Where a run's artifacts go: its `artifact_uri` decides, and nothing is ever computed in its place. */
export type Destination =
  /** The server takes the bytes. `url`: the run's directory, to be followed by `/` and an encoded path. `path`: the same below the server's `--artifacts-destination`; `base`: the server. */
  | { kind: "proxied"; url: string; path: string; base: string }
  /** The client writes to a disk that the server sees too: a shared volume, or a mistake; `provesDestination` tells. */
  | { kind: "local"; directory: string }
  /** An object store that clients write to. `prefix`: of each key, as MLflow joins it: without a slash at its end, perhaps empty. */
  | { kind: "s3"; bucket: string; prefix: string; uri: string }
  /** A storage that coffer has no protocol for: `gs://`, `wasbs://`, `dbfs:/` and the like. Without user and password. */
  | { kind: "foreign"; scheme: string; uri: string };

/** What may lie on a disk that is seen from here. */
export type OnDisk = Extract<Destination, { kind: "proxied" | "local" }>;

const ROUTE = "/api/2.0/mlflow-artifacts/artifacts";

/**
 * Reads a run's `artifact_uri`. Whoever answers as the server could name any host there, so only its own address is taken: another one would
 * get the files, and the credentials with them.
 * @throws CofferError SERVER_REFUSED for a place that coffer cannot write to, or on another host
 */
export function destinationOf(connection: Connection, artifactUri: string): Destination {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(artifactUri)?.[1]?.toLowerCase();
  if (scheme === "mlflow-artifacts") {
    const [, host, path] = /^mlflow-artifacts:(?:\/\/([^/]*))?(.*)$/is.exec(artifactUri) as unknown as [string, string | undefined, string];
    const base = host ? `${new URL(connection.displayUri).protocol}//${host}` : connection.displayUri;
    return proxied(ownAddress(connection, artifactUri, base), path);
  }
  if (scheme === "http" || scheme === "https") {
    const at = artifactUri.indexOf(ROUTE);
    if (at > 0) return proxied(ownAddress(connection, artifactUri, artifactUri.slice(0, at)), artifactUri.slice(at + ROUTE.length));
    throw unusable(connection, artifactUri, "start the server with --artifacts-destination, so that it takes artifacts itself");
  }
  if (artifactUri.startsWith("/")) return { kind: "local", directory: trimEnd(artifactUri) };
  if (scheme === "file") return { kind: "local", directory: trimEnd(fileDirectory(connection, artifactUri)) };
  if (scheme === undefined)
    throw unusable(
      connection,
      artifactUri,
      "the path is relative to the server's own directory: start the server with an absolute --default-artifact-root, or with --artifacts-destination",
    );
  const bucket = /^s3:\/\/([^/?#]+)\/?([^?#]*)$/i.exec(artifactUri);
  if (bucket) return { kind: "s3", bucket: bucket[1] as string, prefix: (bucket[2] as string).replace(/\/+$/, ""), uri: artifactUri };
  return { kind: "foreign", scheme, uri: withoutUser(artifactUri) };
}

/** The run's directory below a disk that keeps a proxied server's artifacts (its `--artifacts-destination`); for a local one, what the server said. */
export function directoryOn(disk: string, destination: OnDisk): string {
  return destination.kind === "local" ? destination.directory : join(disk, destination.path);
}

/** The address without a user part. */
function ownAddress(connection: Connection, artifactUri: string, address: string): string {
  if (!isOnServer(connection, address))
    throw unusable(
      connection,
      artifactUri,
      "coffer sends files and credentials to the tracking URI's own address only: let the server take artifacts itself (--artifacts-destination without --default-artifact-root), or set MLFLOW_TRACKING_URI to the address that keeps them",
    );
  const { origin, pathname } = new URL(address);
  return trimEnd(origin + pathname);
}

function proxied(base: string, path: string): Destination {
  const parts = path
    .toWellFormed()
    .split("/")
    .filter((part) => part !== "" && part !== "." && part !== "..");
  return { kind: "proxied", url: [base + ROUTE, ...parts.map(encodeURIComponent)].join("/"), path: parts.join("/"), base };
}

function fileDirectory(connection: Connection, uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch {
    throw unusable(connection, uri, "give the server a path of this machine as --default-artifact-root");
  }
}

function unusable(connection: Connection, uri: string, hint: string): ServerRefusal {
  return new ServerRefusal(`${connection.displayUri} keeps this run's artifacts at ${withoutUser(uri)}, which is unsupported here`, {
    hint,
  });
}

/** `wasbs://container@account/…` names no secret, but `ftp://user:password@…` does. */
function withoutUser(uri: string): string {
  return uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*:[^/]*@/i, "$1");
}

function trimEnd(path: string): string {
  return path.replace(/(?<=.)\/+$/, "");
}
