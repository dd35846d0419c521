import * as uploads from "../../db/delivery/upload-parts.ts";
import type { UploadRow } from "../../db/delivery/upload-parts.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { StoreUnreachable } from "../../mlflow/artifacts/object-store.ts";
import { expiryOf } from "../../mlflow/artifacts/proxied-parts.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { partSizeFor } from "../../mlflow/artifacts/upload-settings.ts";
import type { UploadSource } from "../../mlflow/artifacts/upload-source.ts";
import type { Route } from "./choose-route.ts";
import { inParallel } from "./in-parallel.ts";
import type { RemoteFile } from "./lay-out.ts";
import { partsTarget } from "./parts-target.ts";
import type { BegunUpload, Part, PartsTarget } from "./parts-target.ts";
import { dropSigned, keepSigned, keptSigned } from "./signed-parts-file.ts";
import { endsAll } from "../sync.ts";
import type { Delivering, Sync } from "../sync.ts";

/** Parts of one file at once: more do not make a storage faster. */
const MOST_AT_ONCE = 8;
const BYTES_AT_ONCE = 128 * 1024 * 1024;

/** An address that ends this soon is of no use any more. Milliseconds. */
const EXPIRY_SLACK = 60_000;

/**
 * Sends a file in parts, a few at once.
 *
 * 1. Each part that arrived is kept in the database. A sync that is killed, or loses the network, leaves the upload as it is, and the next one sends
 *    what is missing.
 * 2. An upload that ends before its time (the addresses of MLflow live an hour; a storage throws old uploads away) is begun anew, unless it was begun
 *    only now: then the way is too slow for it.
 * 3. A storage that has put the parts together knows the upload no more. Where its answer was lost, the second request is refused although all is well: the file
 *    tells, unless one of its size lay there before.
 * 4. One that is given up for good is aborted: storages charge for parts that nobody put together.
 *
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED, CORRUPT; StoreUnreachable
 */
export async function sendParts(
  one: Delivering,
  target: PartsTarget,
  file: RemoteFile,
  source: UploadSource,
  moved: (bytes: number) => void,
): Promise<void> {
  const { store, routes } = one.sync;
  const { delivery } = one;
  const found = uploads.ofPath(store.db, delivery.seq, file.path);
  let saved = found ? resume(one.sync, found, target, file) : undefined;
  if (found && !saved) await giveUp(one, found, target);
  const before = await sizeThere(target);
  for (;;) {
    const isOld = saved !== undefined;
    const open = saved ?? (await begin(one, target, file, partSizeFor(file.size, routes.uploads.partSize)));
    let isCompleting = false;
    try {
      await sendMissing(one.sync, target, source, open, moved);
      isCompleting = true;
      await target.complete(open.upload, uploads.parts(store.db, open.row.seq));
      syncPoint("sync.upload-completed");
      forget(one.sync, open.row);
      return;
    } catch (error) {
      if (keepsParts(error)) throw error;
      if (isCompleting && before !== file.size && (await sizeThere(target)) === file.size) return forget(one.sync, open.row);
      await giveUp(one, open.row, target);
      if (!isOld || !isOver(one.sync, open.row, error)) throw error;
      saved = undefined;
    }
  }
}

/** undefined also where nobody may look. */
async function sizeThere(target: PartsTarget): Promise<number | undefined> {
  try {
    return await target.size();
  } catch (error) {
    if (keepsParts(error)) throw error;
    return undefined;
  }
}

/** Bytes that a file in parts has on its way at once. */
export function partsWeight({ jobs, routes }: Pick<Sync, "jobs" | "routes">, size: number): number {
  const part = partSizeFor(size, routes.uploads.partSize);
  return Math.min(size, part * partsAtOnce(jobs, part));
}

/** Gives up what nobody is going to end: the file came there otherwise, or is not to be sent any more. `wanted`: paths that are. */
export async function dropIdleParts(one: Delivering, { ways }: Route, wanted: ReadonlySet<string>): Promise<void> {
  for (const row of uploads.ofDelivery(one.sync.store.db, one.delivery.seq)) {
    if (wanted.has(row.path)) continue;
    const targets = ways.map((way) => partsTarget(one.sync, way, row.path));
    await giveUp(
      one,
      row,
      targets.find((target) => target?.place === row.place),
    );
  }
}

interface OpenUpload {
  row: UploadRow;
  upload: BegunUpload;
}

async function begin(one: Delivering, target: PartsTarget, file: RemoteFile, partSize: number): Promise<OpenUpload> {
  const { store } = one.sync;
  const upload = await target.begin(Math.ceil(file.size / partSize));
  syncPoint("sync.upload-begun");
  const values = {
    delivery: one.delivery.seq,
    path: file.path,
    place: target.place,
    digest: formatDigest(file.digest),
    size: file.size,
    part_size: partSize,
    upload_id: upload.uploadId,
    expires_at: upload.signed.length > 0 ? expiryOf(upload.signed, store.now()) : null,
  };
  const seq = store.transaction(() => uploads.begin(store.db, values));
  if (upload.signed.length > 0) keepSigned(store, seq, upload.uploadId, upload.signed);
  return { row: { ...values, seq }, upload };
}

/** undefined where it was for other bytes or another place, or nobody can go on with it. */
function resume({ store }: Sync, row: UploadRow, target: PartsTarget, file: RemoteFile): OpenUpload | undefined {
  if (row.place !== target.place || row.digest !== formatDigest(file.digest) || row.size !== file.size) return undefined;
  if (row.expires_at === null) return { row, upload: { uploadId: row.upload_id, signed: [] } };
  if (store.now() > row.expires_at - EXPIRY_SLACK) return undefined;
  const signed = keptSigned(store, row.seq, row.upload_id);
  return signed && { row, upload: { uploadId: row.upload_id, signed } };
}

async function sendMissing(
  { store, jobs }: Sync,
  target: PartsTarget,
  source: UploadSource,
  { row, upload }: OpenUpload,
  moved: (bytes: number) => void,
): Promise<void> {
  const there = uploads.parts(store.db, row.seq);
  const parts = partsOf(row.size, row.part_size);
  const sent = new Map(parts.filter(({ number }) => there.has(number)).map(({ number, from, to }) => [number, to - from]));
  const tell = (): void => moved([...sent.values()].reduce((sum, bytes) => sum + bytes, 0));
  tell();
  const missing = parts.filter(({ number }) => !there.has(number));
  await inParallel(missing, partsAtOnce(jobs, row.part_size), async (part) => {
    const etag = await target.put(upload, part, source, (bytes) => {
      sent.set(part.number, bytes);
      tell();
    });
    syncPoint("sync.part-sent");
    store.transaction(() => uploads.arrived(store.db, row.seq, part.number, etag));
    syncPoint("sync.part-noted");
  });
}

function partsOf(size: number, partSize: number): Part[] {
  return Array.from({ length: Math.ceil(size / partSize) }, (_, index) => ({
    number: index + 1,
    from: index * partSize,
    to: Math.min(size, (index + 1) * partSize),
  }));
}

function partsAtOnce(jobs: number, partSize: number): number {
  return Math.max(1, Math.min(jobs, MOST_AT_ONCE, Math.floor(BYTES_AT_ONCE / partSize)));
}

/** No network, no time, an interruption: the upload is as good as before. */
function keepsParts(error: unknown): boolean {
  return endsAll(error) && !(error instanceof StoreUnreachable);
}

/** The storage does not know the upload any more, or takes its addresses no longer. */
function isOver({ store }: Sync, row: UploadRow, error: unknown): boolean {
  if (!(error instanceof ServerRefusal)) return false;
  return error.status === 404 || (row.expires_at !== null && store.now() >= row.expires_at - EXPIRY_SLACK) || error.status === 500;
}

function forget({ store }: Sync, row: UploadRow): void {
  store.transaction(() => uploads.forget(store.db, row.delivery, row.path));
  dropSigned(store, row.seq);
}

/** Tells the storage, if it can be told, that nobody will come back for the parts. */
async function giveUp(one: Delivering, row: UploadRow, target: PartsTarget | undefined): Promise<void> {
  if (target && target.place === row.place)
    try {
      await target.abort(row.upload_id);
    } catch (error) {
      if (!(error instanceof CofferError) && !(error instanceof StoreUnreachable)) throw error;
    }
  forget(one.sync, row);
}
