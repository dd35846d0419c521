import type { Connection } from "../http/connection.ts";
import type { Destination } from "./destination.ts";
import { askStore, elementsOf, textOf } from "./object-store.ts";
import type { ObjectStores, StoreAnswer, StoreRequest } from "./object-store.ts";
import { Paging } from "../http/paging.ts";
import { ServerRefusal } from "../http/refusal.ts";
import type { S3Credentials, S3Settings } from "./s3-settings.ts";
import { encodeForS3, signS3 } from "./s3-signature.ts";
import { openBody } from "./upload-body.ts";
import type { UploadSource } from "./upload-source.ts";

/** A run's directory in a bucket, and the right to write there. */
export interface S3Place {
  readonly connection: Connection;
  readonly stores: ObjectStores;
  readonly settings: S3Settings;
  readonly credentials: S3Credentials;
  readonly destination: Destination & { kind: "s3" };
}

/** Sends a file whole; at most 5 GiB. @throws what `askStore` throws, CORRUPT */
export async function putObject(place: S3Place, path: string, source: UploadSource, sent?: (bytes: number) => void): Promise<void> {
  await ask(place, `PUT ${path}`, { method: "PUT", path, headers: newObject(place, path) }, { open: () => openBody(source), sent });
}

/** Begins an upload in parts. Returns its id. */
export async function beginS3Parts(place: S3Place, path: string): Promise<string> {
  const { text } = await ask(place, `POST ${path}`, { method: "POST", path, query: "uploads=", headers: newObject(place, path) });
  const id = textOf(text, "UploadId");
  if (id) return id;
  throw new ServerRefusal(`${baseOf(place)}: the answer is not S3's`, { hint: "is MLFLOW_S3_ENDPOINT_URL an S3 storage?" });
}

/** Sends one part. Returns its etag. */
export async function putS3Part(
  place: S3Place,
  path: string,
  upload: string,
  part: { number: number; from: number; to: number },
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<string> {
  const query = `partNumber=${part.number}&uploadId=${encodeForS3(upload)}`;
  const open = () => openBody(source, part.from, part.to);
  return (await ask(place, `PUT part ${part.number} of ${path}`, { method: "PUT", path, query, headers: {} }, { open, sent })).etag;
}

export async function completeS3Parts(place: S3Place, path: string, upload: string, etags: ReadonlyMap<number, string>): Promise<void> {
  const parts = [...etags]
    .sort(([a], [b]) => a - b)
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`);
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`;
  const headers = { "content-type": "application/xml" };
  await ask(place, `POST ${path}`, { method: "POST", path, query: `uploadId=${encodeForS3(upload)}`, headers, body });
}

export async function abortS3Parts(place: S3Place, path: string, upload: string): Promise<void> {
  await ask(place, `DELETE parts of ${path}`, { method: "DELETE", path, query: `uploadId=${encodeForS3(upload)}`, headers: {} });
}

/** Every file below the run's directory with its size, by path. */
export async function listS3(place: S3Place): Promise<Map<string, number>> {
  const { prefix } = place.destination;
  const root = prefix === "" ? "" : `${prefix}/`;
  const files = new Map<string, number>();
  const what = `GET ${place.destination.bucket}`;
  const paging = new Paging(place.connection, what);
  for (let more: string | undefined = ""; more !== undefined;) {
    const query: string = `${more === "" ? "" : `continuation-token=${encodeForS3(more)}&`}list-type=2&prefix=${encodeForS3(root)}`;
    const { text }: StoreAnswer = await ask(place, what, {
      method: "GET",
      path: undefined,
      query,
      headers: {},
    });
    for (const entry of elementsOf(text, "Contents")) {
      const key = textOf(entry, "Key") ?? "";
      // a key that ends with a slash is a console's idea of a directory
      if (key.startsWith(root) && !key.endsWith("/")) files.set(key.slice(root.length), Number(textOf(entry, "Size")));
    }
    more = paging.next(textOf(text, "IsTruncated") === "true" ? textOf(text, "NextContinuationToken") : undefined);
  }
  return files;
}

interface Ask {
  method: StoreRequest["method"];
  /** Below the run; undefined is the bucket itself. */
  path: string | undefined;
  query?: string;
  headers: Record<string, string>;
  body?: string;
}

function ask(
  place: S3Place,
  what: string,
  { method, path, query, headers, body }: Ask,
  file?: Parameters<typeof askStore>[4],
): Promise<StoreAnswer> {
  const { connection, stores, settings, credentials } = place;
  const url = new URL(`${baseOf(place)}/${path === undefined ? "" : keyOf(place, path)}${query === undefined ? "" : `?${query}`}`);
  const all = { ...settings.always, ...headers };
  const make = (): StoreRequest => ({
    method,
    url: url.href,
    headers: signS3({ method, url, headers: all, ...(body !== undefined && { body }) }, credentials, settings.region, Date.now()),
    ...(body !== undefined && { body }),
  });
  return askStore(connection, stores, what, make, file);
}

/** The bucket's address: beside others below an endpoint of one's own, a host of its own at Amazon's, as boto3 does it. */
export function baseOf({ settings, destination }: Pick<S3Place, "settings" | "destination">): string {
  const { endpoint, region, addressing } = settings;
  const { bucket } = destination;
  const host = endpoint ?? `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  // Amazon's certificate covers one level of names
  const hasHost = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket);
  if (addressing === "path" || !hasHost || (addressing === "auto" && endpoint !== undefined)) return `${host}/${encodeForS3(bucket)}`;
  const url = new URL(host);
  return `${url.protocol}//${bucket}.${url.host}${url.pathname.replace(/\/$/, "")}`;
}

function keyOf({ destination: { prefix } }: S3Place, path: string): string {
  return (prefix === "" ? path : `${prefix}/${path}`).split("/").map(encodeForS3).join("/");
}

function newObject({ settings }: S3Place, path: string): Record<string, string> {
  const type = Bun.file(path).type.replace(/;.*/, "") || "application/octet-stream";
  return { "content-type": type, ...settings.onObjects };
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
