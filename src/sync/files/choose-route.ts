import { statSync } from "node:fs";
import { destinationOf, directoryOn } from "../../mlflow/artifacts/destination.ts";
import type { Destination, OnDisk } from "../../mlflow/artifacts/destination.ts";
import { probePresigned } from "../../mlflow/artifacts/presigned-upload.ts";
import { provesDestination } from "../../mlflow/artifacts/prove-destination.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { baseOf } from "../../mlflow/artifacts/s3-object.ts";
import type { S3Place } from "../../mlflow/artifacts/s3-object.ts";
import { SMALL } from "../../mlflow/artifacts/upload-small.ts";
import type { ShareWish } from "./place-shared.ts";
import type { Sync } from "../sync.ts";

/** What it takes to find a way. */
export interface Seeking extends Pick<Sync, "connection" | "routes"> {
  store: Pick<Sync["store"], "settings">;
}

/** One way for a file to where MLflow looks for it. Its kind is an `Arrival`, a disk's aside. */
export type Way =
  /** A disk that coffer and the server both see: no HTTP body, and where the disk can, no second copy. */
  | { kind: "disk"; directory: string; wish: ShareWish }
  /** In parts to the storage behind the server, at addresses that it signs. Large files only. */
  | { kind: "parts"; destination: Destination & { kind: "proxied" } }
  /** Through the server. */
  | { kind: "put"; destination: Destination & { kind: "proxied" } }
  /** To S3 with keys of our own. */
  | { kind: "s3"; place: S3Place }
  /** Whole, to an address that the server signs. `storage`: what it leads to. */
  | { kind: "presigned"; run: string; storage: string }
  /** By the route of MLflow's own pages, 10 MiB at most. */
  | { kind: "small"; run: string; storage: string };

/** How the files of one run get to where MLflow looks for them. */
export interface Route {
  /** What the server calls the run's directory. */
  readonly place: string;
  /** The first that takes a file is the one. */
  readonly ways: readonly Way[];
}

/**
 * The run's `artifact_uri` decides. Whether a directory here is the one that the server means stands in no API, and the same path may be another
 * disk on another machine: a marker that the server must list is the only proof, and nothing is placed without it.
 * `alongside`: a script logs to the run as well, and may still do so.
 * @throws CofferError SERVER_REFUSED for a place that cannot be written from here; SERVER_UNREACHABLE
 */
export async function chooseRoute(sync: Seeking, remote: { id: string; artifactUri: string }, alongside: boolean): Promise<Route> {
  const destination = destinationOf(sync.connection, remote.artifactUri);
  const route = routeTo(sync, destination);
  if (destination.kind === "s3" || destination.kind === "foreign")
    return { ...route, ways: [...route.ways, ...byServer(remote.id, destination)] };
  const disk = await sharedDisk(sync, remote.id, destination, alongside);
  if (disk) return { place: disk.directory, ways: [disk] };
  if (destination.kind === "proxied") return route;
  throw new ServerRefusal(
    `${sync.connection.displayUri} keeps artifacts in ${destination.directory}, which is not that directory here, or cannot be written to`,
    {
      hint: "mount the server's disk at the same path, writable for this user; or start the server with --artifacts-destination, so that it takes artifacts itself",
    },
  );
}

/** The ways that a place has by itself, whether a run or a model lies there: no disk, which must be proven, and none that the server opens for runs alone. */
export function routeTo(sync: Seeking, destination: Destination): Route {
  if (destination.kind === "s3") return { place: destination.uri, ways: ownKeys(sync, destination) };
  if (destination.kind === "foreign") return { place: destination.uri, ways: [] };
  if (destination.kind === "local") return { place: destination.directory, ways: [] };
  return {
    place: destination.url,
    ways: [
      { kind: "parts", destination },
      { kind: "put", destination },
    ],
  };
}

/**
 * Why a way does not take a file of this size; undefined if it does. What has to be asked for that is asked once in a call.
 * @throws CofferError SERVER_UNREACHABLE
 */
export async function whyNot({ connection, routes }: Seeking, way: Way, size: number): Promise<string | undefined> {
  const shut = routes.whyShut(keyOf(way));
  if (shut !== undefined) return shut;
  if (way.kind === "parts") {
    const { partsFrom, proxiedParts } = routes.uploads;
    if (size < partsFrom || proxiedParts === false) return "it goes whole";
    if (proxiedParts === undefined && !(await routes.capabilities(connection)).multipartUploads)
      return "the server offers no uploads in parts";
  }
  if (way.kind === "small" && (size === 0 || size > SMALL)) return "MLflow's own route takes 1 byte to 10 MiB";
  if (way.kind === "presigned") {
    if (size > 5 * 1024 ** 3) return "a signed address takes 5 GiB at most";
    return whyNotSigned(connection, routes, way);
  }
  return undefined;
}

/** Under what a way is remembered: its kind and where it leads. */
export function keyOf(way: Way): string {
  if (way.kind === "parts") return `parts ${way.destination.base}`;
  if (way.kind === "s3") return `s3 ${baseOf(way.place)}`;
  return way.kind === "presigned" || way.kind === "small" ? `${way.kind} ${way.storage}` : way.kind;
}

/** A route in words, best way first. `shut`: why a way is not taken, for a small and a large file alike. */
export async function describeRoute(sync: Seeking, { place, ways }: Route): Promise<RouteDescription> {
  const described: RouteDescription["ways"] = [];
  for (const way of ways) {
    const why = await whyNot(sync, way, way.kind === "parts" ? sync.routes.uploads.partsFrom : 1);
    described.push({ way: way.kind, words: inWords(way), shut: why ?? null });
  }
  return { place, ways: described };
}

export interface RouteDescription {
  place: string;
  ways: { way: Way["kind"]; words: string; shut: string | null }[];
}

function inWords(way: Way): string {
  if (way.kind === "disk")
    return `on a disk that the server sees too (${way.directory}), ${way.wish === "auto" ? "cloned or linked" : way.wish}`;
  if (way.kind === "parts") return "large files in parts, straight to the storage behind the server";
  if (way.kind === "put") return "through the server";
  if (way.kind === "s3") return `straight to ${baseOf(way.place)} with the keys of this environment`;
  if (way.kind === "presigned") return "to addresses that the server signs";
  return "through the server, 10 MiB a file at most";
}

async function sharedDisk(
  sync: Seeking,
  runId: string,
  destination: OnDisk,
  alongside: boolean,
): Promise<(Way & { kind: "disk" }) | undefined> {
  const { share } = sync.store.settings.values.tracking.mlflow;
  const disk = destination.kind === "local" ? "" : diskOfServer(sync);
  if (disk === undefined) return undefined;
  const directory = directoryOn(disk, destination);
  if (!(await provesDestination(sync.connection, runId, directory))) return undefined;
  // MLflow's own client opens a file that is there for writing: it would write into a blob that was linked
  return { kind: "disk", directory, wish: alongside && share !== "copy" ? "clone" : share };
}

/** Where a server that takes artifacts itself may keep them on a disk seen from here: the configured directory, or MLflow's own tree in the store. */
function diskOfServer({ store }: Seeking): string | undefined {
  const directory = store.settings.roots.mlflow;
  return statSync(directory, { throwIfNoEntry: false })?.isDirectory() ? directory : undefined;
}

/** S3 with the keys of the environment, where it has any. */
export function ownKeys({ connection, routes }: Seeking, destination: Destination & { kind: "s3" }): (Way & { kind: "s3" })[] {
  const credentials = routes.s3.credentials?.();
  return credentials ? [{ kind: "s3", place: { connection, stores: routes.stores, settings: routes.s3, credentials, destination } }] : [];
}

function byServer(run: string, destination: Destination & { kind: "s3" | "foreign" }): Way[] {
  const storage =
    destination.kind === "s3" ? `s3://${destination.bucket}` : (/^[^:]*:\/*[^/]*/.exec(destination.uri)?.[0] ?? destination.scheme);
  return [
    { kind: "presigned", run, storage },
    { kind: "small", run, storage },
  ];
}

async function whyNotSigned(
  connection: Sync["connection"],
  routes: Sync["routes"],
  way: Way & { kind: "presigned" },
): Promise<string | undefined> {
  const key = keyOf(way);
  if (routes.isOpen(key)) return undefined;
  if (!(await routes.capabilities(connection)).presignedUploads) return "the server signs no addresses: it is older than that";
  try {
    await probePresigned(connection, way.run);
    routes.open(key);
    return undefined;
  } catch (error) {
    if (!(error instanceof ServerRefusal)) throw error;
    const why = `the server signs no addresses there (${error.status})`;
    routes.shut(key, why);
    return why;
  }
}
