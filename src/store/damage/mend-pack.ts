import { chmodSync, closeSync, lstatSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import type { Blake3 } from "../../blobs/blake3.ts";
import { makeDirectory, renameNoReplace, syncDirectory } from "../../blobs/durable.ts";
import { PackWriter, readMemberOf } from "../../blobs/pack.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as packs from "../../db/bytes/packs.ts";
import type { PackRow } from "../../db/bytes/packs.ts";
import { forgetPack } from "../../db/garbage/sweeping.ts";
import { CofferError, errno } from "../../domain/error.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { linkMembers } from "./link-members.ts";
import { isUnmoved } from "./put-back.ts";
import { setAside } from "./set-aside.ts";
import { stampOf } from "../bytes/stamp.ts";
import type { Store } from "../store.ts";

/** A member whose bytes were found elsewhere, and lie in a file of the staging by now. */
export interface Restored {
  row: BlobRow;
  staged: string;
  /** It is the list of a directory. */
  isList: boolean;
}

const MEMBERS_PER_TURN = 256;

/**
 * Writes restored members of a pack into a new one, and moves their rows there; where the pack itself is not as a pack is written (`isBroken`), with all its
 * members that are whole. The new pack is durable and named first. The old one stays as long as rows name it, and moves to `damaged/` then.
 * Returns the path of the new one, and that of the old one where it was moved.
 */
export async function mendPack(
  store: Store,
  staging: string,
  old: PackRow,
  { restored, isBroken, damaged }: { restored: readonly Restored[]; isBroken: boolean; damaged: ReadonlySet<number> },
  blake3: Blake3,
): Promise<{ path: string | undefined; aside: string | undefined }> {
  const id = Bun.randomUUIDv7();
  const staged = join(staging, `pack-${id}`);
  const anew = new Map<number, number>();
  const moved = new Map<number, number>();
  const writer = new PackWriter(staged);
  let size: number;
  try {
    if (isBroken) await copyWhole(store, old, damaged, writer, moved, blake3);
    for (const { row, staged: from } of restored) {
      const hex = Buffer.from(row.blake3 as Uint8Array).toString("hex");
      anew.set(row.seq, writer.add(hex, readFileSync(from)));
    }
    size = await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  if (anew.size + moved.size === 0) {
    rmSync(staged);
    return { path: undefined, aside: undefined };
  }
  const path = place(store, staged, old.dataset, id);
  syncPoint("repair.pack-placed");
  const { isEmpty, isUseless } = store.transaction(() => {
    const pack = packs.insert(store.db, {
      id,
      path: store.keep(path),
      dataset: old.dataset,
      size,
      created_at: store.now(),
      ...stampOf(lstatSync(path, { bigint: true })),
    });
    for (const { row, staged: from, isList } of restored) {
      if (!isUnmoved(blobs.bySeq(store.db, row.seq), row)) continue;
      blobs.replaceWithPacked(store.db, row.seq, { pack, offset: anew.get(row.seq) as number, dataset: row.dataset });
      if (isList) linkMembers(store, row.seq, readFileSync(from));
    }
    packs.moveMembers(store.db, moved, old.seq, { pack, dataset: old.dataset });
    return {
      isEmpty: !packs.isHeld(store.db, old.seq) && forgetPack(store.db, old.seq) !== null,
      isUseless: forgetPack(store.db, pack) !== null,
    };
  });
  syncPoint("repair.pack-told");
  // another process was faster with all of them
  if (isUseless) rmSync(path, { force: true });
  return { path: isUseless ? undefined : path, aside: isEmpty ? putAway(store, old) : undefined };
}

/** A pack that no row names any more. */
export function putAway(store: Store, { path }: PackRow): string | undefined {
  const aside = setAside(store, store.path(path));
  rmSync(store.path(path), { force: true });
  return aside;
}

async function copyWhole(
  store: Store,
  old: PackRow,
  damaged: ReadonlySet<number>,
  writer: PackWriter,
  moved: Map<number, number>,
  blake3: Blake3,
): Promise<void> {
  const path = store.path(old.path);
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    // then none of them is
    if (errno(error) === undefined) throw error;
    return;
  }
  try {
    for (const [index, member] of packs.readable(store.db, old.seq).entries()) {
      if (index % MEMBERS_PER_TURN === 0) await yieldToSignals();
      if (damaged.has(member.seq)) continue;
      const bytes = readOrNothing({ fd, path }, member);
      const digest = Buffer.from(member.blake3);
      if (bytes && Buffer.from(blake3.hash(bytes)).equals(digest)) moved.set(member.seq, writer.add(digest.toString("hex"), bytes));
    }
  } finally {
    closeSync(fd);
  }
}

function readOrNothing(pack: { fd: number; path: string }, { offset, size }: { offset: number; size: number }): Buffer | undefined {
  try {
    return readMemberOf(pack, offset, size);
  } catch (error) {
    if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
    return undefined;
  }
}

function place(store: Store, staged: string, dataset: string, id: string): string {
  const directory = store.path("binaries", filePart(dataset), "packs");
  makeDirectory(directory);
  const path = join(directory, `${id}.tar`);
  if (!renameNoReplace(staged, path)) throw new Error(`two packs with one id: ${id}`);
  chmodSync(path, 0o444);
  syncDirectory(directory);
  return path;
}
