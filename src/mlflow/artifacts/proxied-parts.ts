import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import type { Destination } from "./destination.ts";
import { ListAnswer } from "./list-artifacts.ts";
import { askStore } from "./object-store.ts";
import type { ObjectStores } from "./object-store.ts";
import { signedRequest } from "./signed-request.ts";
import { callStorageRoute } from "./storage-route.ts";
import { openBody } from "./upload-body.ts";
import type { UploadSource } from "./upload-source.ts";

/** Where one part goes. The address is signed: a secret until it expires. */
export interface SignedPart {
  number: number;
  url: string;
  headers: Record<string, string>;
}

export const SignedPartShape: v.GenericSchema<unknown, SignedPart> = v.object({
  number: v.number(),
  url: v.string(),
  headers: v.record(v.string(), v.string()),
});

const BeginAnswer = v.object({
  upload_id: v.optional(v.nullable(v.string())),
  credentials: v.array(v.object({ url: v.string(), part_number: v.number(), headers: v.optional(v.record(v.string(), v.string()), {}) })),
});

type Proxied = Pick<Destination & { kind: "proxied" }, "base" | "path">;

/**
 * Begins an upload in parts at the storage behind the server (S3, GCS, Azure). `uploadId` is empty where the storage has none.
 * @throws CofferError SERVER_REFUSED (501: another storage, 500: the storage refused); SERVER_UNREACHABLE
 */
export async function beginProxiedParts(
  connection: Connection,
  destination: Proxied,
  path: string,
  parts: number,
): Promise<{ uploadId: string; signed: SignedPart[] }> {
  const { upload_id, credentials } = await callStorageRoute(
    connection,
    "POST",
    routeTo(destination, "create", path),
    { path: baseName(path), num_parts: parts },
    BeginAnswer,
  );
  const signed = credentials.map(({ part_number, url, headers }) => ({ number: part_number, url, headers }));
  return { uploadId: upload_id ?? "", signed };
}

/** Sends one part to where the server said, without MLflow's credentials. Returns its etag. @throws what `askStore` throws, CORRUPT */
export async function putSignedPart(
  connection: Connection,
  stores: ObjectStores,
  path: string,
  signed: SignedPart,
  range: { from: number; to: number },
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<string> {
  const { url, headers, number } = signed;
  const open = () => openBody(source, range.from, range.to);
  return (await askStore(connection, stores, `PUT part ${number} of ${path}`, () => signedRequest(url, headers), { open, sent })).etag;
}

/** Puts the parts together. Azure finds its blocks by their addresses. */
export async function completeProxiedParts(
  connection: Connection,
  destination: Proxied,
  path: string,
  upload: { uploadId: string; signed: readonly SignedPart[] },
  etags: ReadonlyMap<number, string>,
): Promise<void> {
  const urls = new Map(upload.signed.map(({ number, url }) => [number, url]));
  const parts = [...etags]
    .sort(([a], [b]) => a - b)
    .map(([part_number, etag]) => ({ part_number, etag, url: urls.get(part_number) ?? "" }));
  const values = { path: baseName(path), upload_id: upload.uploadId || undefined, parts };
  await callStorageRoute(connection, "POST", routeTo(destination, "complete", path), values, v.unknown());
}

export async function abortProxiedParts(connection: Connection, destination: Proxied, path: string, uploadId: string): Promise<void> {
  await callStorageRoute(
    connection,
    "POST",
    routeTo(destination, "abort", path),
    { path: baseName(path), upload_id: uploadId || undefined },
    v.unknown(),
  );
}

/** Bytes of a file that the storage has by now; undefined where it has none of that name. @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE */
export async function sizeInStorage(connection: Connection, { base, path: run }: Proxied, path: string): Promise<number | undefined> {
  const directory = [...run.split("/"), ...path.split("/").slice(0, -1)].join("/");
  const route = `${base}/api/2.0/mlflow-artifacts/artifacts`;
  const { files } = await callStorageRoute(connection, "GET", route, { path: directory }, ListAnswer);
  return files.find((file) => !file.is_dir && baseName(file.path) === baseName(path))?.file_size;
}

/** When the addresses of an upload end, in milliseconds since 1970: what they say themselves, else an hour from now. */
export function expiryOf(signed: readonly SignedPart[], now: number): number {
  const query = URL.parse(signed[0]?.url ?? "")?.searchParams;
  for (const vendor of ["Amz", "Goog"]) {
    const seconds = Number(query?.get(`X-${vendor}-Expires`) ?? Number.NaN);
    if (Number.isFinite(seconds)) return now + seconds * 1000;
  }
  const azure = Date.parse(query?.get("se") ?? "");
  return Number.isNaN(azure) ? now + 3_600_000 : azure;
}

/** The server takes the directory from the route and the base name from the body. */
function routeTo({ base, path: run }: Proxied, verb: "create" | "complete" | "abort", path: string): string {
  const directory = [...run.split("/"), ...path.split("/").slice(0, -1)].map(encodeURIComponent).join("/");
  return `${base}/api/2.0/mlflow-artifacts/mpu/${verb}/${directory}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
