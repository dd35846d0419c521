import { closeSync, lstatSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { makeDirectory, syncDirectory, syncPath } from "../../blobs/durable.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as damaged from "../../db/bytes/damage.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import { isUncertain } from "../../db/open/cannot-open.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { placeFile } from "../ingest/place.ts";
import { linkMembers } from "./link-members.ts";
import type { Lost } from "./lost.ts";
import { openSource } from "../ingest/open-source.ts";
import { hashTwice } from "../read.ts";
import { setAside } from "./set-aside.ts";
import { stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";

/** Where a good copy lies now, and where what it replaced does. */
export interface PutBack {
  path: string;
  aside: string | undefined;
}

/**
 * Puts a staged file, flushed first, in the place of lost bytes. One with a file of its own gets it back at the same path: what lay there has got a second name first, and
 * the rename replaces it at once, in the write transaction that tells the row. Others get a new file: durable first, then the row.
 * undefined where the row has changed meanwhile: an ingest was faster, or a sweep.
 */
export async function putBack(store: Store, staged: string, lost: Lost): Promise<PutBack | undefined> {
  const { row } = lost;
  await syncPath(staged);
  syncPoint("repair.staged");
  if (row?.place === "file" && store.keep(store.path(row.path as string)).startsWith("binaries/"))
    return replace(store, staged, row, lost.isList);
  const path = placeAnew(store, staged, lost, row?.dataset ?? datasetOf(store, lost));
  syncPoint("repair.placed");
  try {
    const kept = await tell(store, path, lost);
    syncPoint("repair.told");
    if (kept) return { path, aside: undefined };
  } catch (error) {
    if (!isUncertain(error)) rmSync(path, { force: true });
    throw error;
  }
  rmSync(path, { force: true });
  return undefined;
}

/** Whether a blob's bytes are still looked for where they were. */
export function isUnmoved(now: BlobRow | null, row: BlobRow): now is BlobRow {
  return (
    now !== null &&
    now.state !== "trashed" &&
    now.place === row.place &&
    now.path === row.path &&
    now.pack === row.pack &&
    now.offset === row.offset
  );
}

function replace(store: Store, staged: string, row: BlobRow, isList: boolean): PutBack | undefined {
  const path = store.path(row.path as string);
  makeDirectory(dirname(path));
  return store.transaction(() => {
    if (!isUnmoved(blobs.bySeq(store.db, row.seq), row)) return undefined;
    const aside = setAside(store, path);
    syncPoint("repair.aside");
    renameSync(staged, path);
    syncDirectory(dirname(path));
    syncPoint("repair.replaced");
    blobs.restamp(store.db, row.seq, stampOf(lstatSync(path, { bigint: true })));
    damaged.forget(store.db, row.seq);
    if (isList) linkMembers(store, row.seq, readFileSync(path));
    return { path, aside };
  });
}

function placeAnew(store: Store, staged: string, { digest, isList, uses: [use] }: Lost, dataset: string): string {
  const directory = store.path("binaries", filePart(dataset));
  makeDirectory(directory);
  const isOwn = use?.kind === "file";
  const path = placeFile(directory, digest.hex, {
    path: staged,
    type: isList ? "tree" : isOwn ? use.type : "file",
    class: isOwn ? use.class : null,
    original: isList ? "" : (use?.inner ?? use?.path ?? ""),
  });
  syncDirectory(directory);
  return path;
}

async function tell(store: Store, path: string, lost: Lost): Promise<boolean> {
  const { row } = lost;
  const stamp = stampOf(lstatSync(path, { bigint: true }));
  const file = { path: store.keep(path), dataset: row?.dataset ?? datasetOf(store, lost), ...stamp };
  if (!row) {
    return store.transaction(() => {
      const blake3 = Buffer.from(lost.digest.hex, "hex");
      if (blobs.known(store.db, blake3)) return false;
      const seq = blobs.insertFile(store.db, { blake3, size: lost.size, created_at: store.now(), ...file });
      blobs.insertMembers(store.db, lost.tree as number, [seq]);
      return true;
    });
  }
  // bytes of an import may be known by their SHA-256 alone
  const both = row.place === "foreign" ? await digestsOf(path) : undefined;
  return store.transaction(() => {
    if (!isUnmoved(blobs.bySeq(store.db, row.seq), row)) return false;
    if (both) {
      const twin = blobs.byDigest(store.db, { algorithm: "blake3", hex: both.blake3.toString("hex") });
      if (twin && twin.seq !== row.seq) {
        if (twin.state === "trashed") return false;
        if (twin.state === "condemned") blobs.revive(store.db, twin.seq);
        foreign.merge(store.db, row.seq, twin.seq, both);
        return false;
      }
      foreign.learnBlake3(store.db, row.seq, both);
      foreign.learnSha256(store.db, row.seq, both.sha256);
    }
    blobs.replaceWithFile(store.db, row.seq, file);
    if (lost.isList) linkMembers(store, row.seq, readFileSync(path));
    return true;
  });
}

async function digestsOf(path: string): Promise<{ blake3: Buffer; sha256: Buffer; size: number }> {
  const { fd } = openSource(path);
  try {
    return await hashTwice(fd);
  } finally {
    closeSync(fd);
  }
}

/** Of a file whose row is lost: that of its directory's list. */
function datasetOf(store: Store, { tree }: Lost): string {
  return (tree === undefined ? undefined : blobs.bySeq(store.db, tree)?.dataset) ?? "default";
}
