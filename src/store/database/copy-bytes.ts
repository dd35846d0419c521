import { chmodSync, closeSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import { cloneOpened, copyOpened, openRegular } from "../../blobs/copy.ts";
import { makeDirectory, syncPath } from "../../blobs/durable.ts";
import { readMemberOf } from "../../blobs/pack.ts";
import type { DatabaseCopy } from "../../db/copy/copy-database.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError, reason } from "../../domain/error.ts";
import { countOf } from "../../domain/quantity.ts";
import { blobRow, corrupt, locate } from "../read.ts";
import type { Store } from "../store.ts";
import { stampOf } from "../bytes/stamp.ts";
import { twoAtOnce } from "../bytes/two-at-once.ts";

const AT_ONCE = 64;
const SHOWN = 3;

/**
 * Copies every file and pack that a copy of the database names to the same place below `directory`, and flushes it. The bytes that were copied are held against their
 * digests. What is damaged in the store is named: a file is left out then, a pack is copied for the sake of its other members.
 */
export async function copyBytes(
  store: Store,
  copy: DatabaseCopy,
  directory: string,
  { stop, failed }: { stop: () => boolean; failed: { path: string; error: string }[] },
): Promise<{ files: number; bytes: number }> {
  const blake3 = await loadBlake3();
  const done = { files: 0, bytes: 0 };
  const bring = async (
    batch: readonly {
      of: "blob" | "pack";
      seq: number;
      path: string;
      /** False where some of it is damaged. */ copyTo: (to: string) => Promise<boolean>;
    }[],
  ): Promise<void> => {
    const made: string[] = [];
    await twoAtOnce(batch, async ({ of, seq, path, copyTo }) => {
      const to = join(directory, path);
      makeDirectory(dirname(to));
      let isWhole: boolean;
      try {
        isWhole = await copyTo(to);
        chmodSync(to, 0o444);
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        failed.push({ path, error: reason(error) });
        return;
      }
      const stat = statSync(to, { bigint: true });
      // what was just held against its digests is not to be taken for a file that somebody replaced
      if (isWhole) copy.restamp(of, seq, stampOf(stat));
      done.bytes += Number(stat.size);
      made.push(to);
      done.files++;
    });
    // together: the file system commits many of them at once
    await Promise.all(made.map(syncPath));
  };
  const packs = copy.packs();
  for (let from = 0; from < packs.length && !stop(); from += AT_ONCE)
    await bring(
      packs.slice(from, from + AT_ONCE).map(({ seq, path }) => ({
        of: "pack",
        seq,
        path,
        async copyTo(to) {
          await copyPack(store.path(path), to);
          const damage = await damageOf(to, copy.members(seq), blake3);
          if (damage !== undefined) failed.push({ path, error: damage });
          return damage === undefined;
        },
      })),
    );
  for (let batch = copy.files(0, AT_ONCE); batch.length > 0 && !stop(); batch = copy.files(batch.at(-1)?.seq ?? 0, AT_ONCE))
    await bring(batch.map(({ seq, path }) => ({ of: "blob", seq, path, copyTo: (to) => copyFile(store, seq, to, blake3) })));
  return done;
}

/** @throws CofferError CORRUPT, UNREADABLE; nothing is left then */
async function copyFile(store: Store, seq: number, to: string, blake3: Blake3): Promise<true> {
  // asked of the store as it is now: the file may have moved since
  const row = blobRow(store, seq);
  const { path } = locate(store, row);
  const { fd } = open(path);
  try {
    if (await copyChecked(fd, to, row.blake3 as Uint8Array, blake3)) return true;
    rmSync(to);
    throw corrupt(store, path, row);
  } finally {
    closeSync(fd);
  }
}

async function copyPack(from: string, to: string): Promise<void> {
  const { fd, stat } = open(from);
  try {
    if (!cloneOpened(fd, stat.dev, to)) await copyOpened(fd, to);
  } finally {
    closeSync(fd);
  }
}

/** Reads the copy, which is in memory still. Undefined where all members are whole. */
async function damageOf(
  path: string,
  members: readonly { blake3: Uint8Array; offset: number; size: number }[],
  blake3: Blake3,
): Promise<string | undefined> {
  const pack = { fd: openSync(path, "r"), path };
  const damaged: string[] = [];
  try {
    for (const [index, { blake3: digest, offset, size }] of members.entries()) {
      if (!isWhole(pack, offset, size, digest, blake3))
        damaged.push(formatDigest({ algorithm: "blake3", hex: Buffer.from(digest).toString("hex") }));
      if (index % AT_ONCE === 0) await yieldToSignals();
    }
  } finally {
    closeSync(pack.fd);
  }
  if (damaged.length === 0) return undefined;
  const more = damaged.length > SHOWN ? ", …" : "";
  return `${damaged.length} of its ${countOf(members.length, "blob")} are damaged in the store: ${damaged.slice(0, SHOWN).join(", ")}${more}`;
}

function isWhole(pack: { fd: number; path: string }, offset: number, size: number, digest: Uint8Array, blake3: Blake3): boolean {
  try {
    return Buffer.from(blake3.hash(readMemberOf(pack, offset, size))).equals(digest);
  } catch (error) {
    // it is cut short
    if (error instanceof CofferError) return false;
    throw error;
  }
}

function open(path: string): ReturnType<typeof openRegular> {
  try {
    return openRegular(path);
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, {
      hint: "coffer verify lists what is damaged",
      cause: error,
    });
  }
}
