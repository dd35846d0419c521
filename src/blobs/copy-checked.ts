import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { errno } from "../domain/error.ts";
import type { Blake3, Hasher } from "./blake3.ts";
import { cloneOpened, copyAndHash, copyOpened, hashFile } from "./copy.ts";

const CHUNK = 1 << 20;
const CHUNKS_PER_TURN = 16;
/** Below it another thread costs more than it gains. */
const LARGE = 8 * CHUNK;

/**
 * Copies an open file under a new name and hashes the bytes that the copy has. False where they are not those of `digest`; the copy is there all the same.
 *
 * The kernel copies a large file in another thread, and what has arrived is read back here meanwhile: on two cores that takes as long as copying alone.
 * Where a file system shows a file at its full length before its bytes, what was read on the way is wrong; so a wrong digest is looked at once more, at the end.
 */
export async function copyChecked(from: number, to: string, digest: Uint8Array, blake3: Blake3): Promise<boolean> {
  const { size, dev } = fstatSync(from, { bigint: true });
  const isRight = (found: Buffer): boolean => found.equals(digest);
  if (cloneOpened(from, dev, to)) return isRight(await digestOf(to, blake3));
  if (size < LARGE) return isRight(await copySmall(from, to, blake3));
  return isRight(await copyAndFollow(from, to, blake3.hasher())) || isRight(await digestOf(to, blake3));
}

async function copySmall(from: number, to: string, blake3: Blake3): Promise<Buffer> {
  const hasher = blake3.hasher();
  const fd = openSync(to, "wx", 0o600);
  await copyAndHash(from, fd, hasher).finally(() => closeSync(fd));
  return hasher.digest();
}

async function digestOf(path: string, blake3: Blake3): Promise<Buffer> {
  const hasher = blake3.hasher();
  const fd = openSync(path, "r");
  await hashFile(fd, hasher).finally(() => closeSync(fd));
  return hasher.digest();
}

async function copyAndFollow(from: number, to: string, hasher: Hasher): Promise<Buffer> {
  let isDone = false;
  const copying = copyOpened(from, to).finally(() => (isDone = true));
  // it is awaited below, when nothing more comes
  copying.catch(() => undefined);
  const opened = await openWhenThere(to, () => isDone);
  try {
    if (opened !== undefined) await follow(opened, hasher, () => isDone);
    await copying;
    return hasher.digest();
  } finally {
    // whoever called may remove the copy: nobody may still write to it then
    await Promise.allSettled([copying]);
    if (opened !== undefined) closeSync(opened);
  }
}

/** Undefined where it never came. */
async function openWhenThere(path: string, isDone: () => boolean): Promise<number | undefined> {
  for (;;) {
    const wasDone = isDone();
    try {
      return openSync(path, "r");
    } catch (error) {
      if (errno(error) !== "ENOENT" || wasDone) return undefined;
    }
    await Bun.sleep(1);
  }
}

/** Hashes a file that grows, up to where it ends once it is done. */
async function follow(fd: number, hasher: Hasher, isDone: () => boolean): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK);
  let at = 0;
  for (let turn = 1; ; turn++) {
    // asked before the length: what comes between the two is read the next time
    const wasDone = isDone();
    if (!wasDone && fstatSync(fd).size - at < CHUNK) {
      await Bun.sleep(1);
      continue;
    }
    const read = readSync(fd, buffer, 0, CHUNK, at);
    if (read === 0) return;
    hasher.update(read === CHUNK ? buffer : buffer.subarray(0, read));
    at += read;
    if (turn % CHUNKS_PER_TURN === 0) await yieldToSignals();
  }
}
