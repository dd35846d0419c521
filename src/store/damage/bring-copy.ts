import { chmodSync, closeSync, openSync, rmSync } from "node:fs";
import type { Blake3, Hasher } from "../../blobs/blake3.ts";
import { copyChecked } from "../../blobs/copy-checked.ts";
import { copyAndHash, openRegular } from "../../blobs/copy.ts";
import { writeWhole } from "../../blobs/durable.ts";
import { readMember } from "../../blobs/pack.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError, errno, isFull } from "../../domain/error.ts";
import { cannotTake } from "../ingest/cannot-take.ts";

/** Bytes that are looked for. */
export interface Wanted {
  digest: Digest;
  size: number;
}

/** Copies a file to `to`, read-only, if it has these bytes; what counts is what was written. False where it has not, or cannot be read; nothing is left then. */
export function bringFile(from: string, to: string, wanted: Wanted, blake3: Blake3): Promise<boolean> {
  return brought(to, async () => {
    const { fd, stat } = openRegular(from);
    try {
      if (stat.size !== BigInt(wanted.size)) return false;
      const digest = Buffer.from(wanted.digest.hex, "hex");
      if (wanted.digest.algorithm === "blake3") return await copyChecked(fd, to, digest, blake3);
      return (await copySha256(fd, to)).equals(digest);
    } finally {
      closeSync(fd);
    }
  });
}

/** The same of a part of a pack. */
export function bringMember(pack: { path: string; offset: number }, to: string, wanted: Wanted, blake3: Blake3): Promise<boolean> {
  return brought(to, async () => writeChecked(readMember(pack.path, pack.offset, wanted.size), to, wanted, blake3));
}

/** The same of bytes in memory. */
export function bringBytes(bytes: Uint8Array, to: string, wanted: Wanted, blake3: Blake3): Promise<boolean> {
  return brought(to, async () => writeChecked(bytes, to, wanted, blake3));
}

/** The same of bytes that come by and by: `receive` writes them to a file that it is given, and says whether all of them came. */
export function bringReceived(to: string, wanted: Wanted, blake3: Blake3, receive: (path: string) => Promise<boolean>): Promise<boolean> {
  const received = `${to}.part`;
  return brought(to, async () => {
    try {
      return (await receive(received)) && (await bringFile(received, to, wanted, blake3));
    } finally {
      rmSync(received, { force: true });
    }
  });
}

async function brought(to: string, bring: () => Promise<boolean>): Promise<boolean> {
  let isRight = false;
  try {
    isRight = await bring();
    if (isRight) chmodSync(to, 0o444);
  } catch (error) {
    isRight = false;
    if (isFull(error)) throw cannotTake(error);
    // somebody else's file may be gone, or may not be read: then it is no copy
    if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
    if (error instanceof CofferError && error.code === "STORE_UNUSABLE") throw error;
  } finally {
    if (!isRight) rmSync(to, { force: true });
  }
  return isRight;
}

function writeChecked(bytes: Uint8Array, to: string, { digest, size }: Wanted, blake3: Blake3): boolean {
  if (bytes.length !== size) return false;
  const found = digest.algorithm === "blake3" ? blake3.hash(bytes) : new Bun.CryptoHasher("sha256").update(bytes).digest();
  if (!Buffer.from(found).equals(Buffer.from(digest.hex, "hex"))) return false;
  const fd = openSync(to, "wx", 0o600);
  try {
    writeWhole(fd, bytes);
  } finally {
    closeSync(fd);
  }
  return true;
}

async function copySha256(from: number, to: string): Promise<Buffer> {
  const sha256 = new Bun.CryptoHasher("sha256");
  const hasher: Hasher = { update: (bytes) => void sha256.update(bytes), digest: () => sha256.digest() as Buffer };
  const fd = openSync(to, "wx", 0o600);
  await copyAndHash(from, fd, hasher).finally(() => closeSync(fd));
  return hasher.digest();
}
