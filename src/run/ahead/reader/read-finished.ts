import { closeSync, fchmodSync, fdatasyncSync, fstatSync, fsyncSync, openSync, readSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Blake3 } from "../../../blobs/blake3.ts";
import { cloneOpened, openRegular } from "../../../blobs/copy.ts";
import { writeWhole } from "../../../blobs/durable.ts";
import { isSettled } from "../../../blobs/believed-stamp.ts";
import { sourceStamp } from "../../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../../blobs/source-stamp.ts";
import { isFull } from "../../../domain/error.ts";
import { diskFigures } from "../../../domain/file-system.ts";
import { freeRoom } from "../../../store/reserve.ts";
import { isFinished, isUnchanged } from "../is-finished.ts";
import type { Kernel } from "./kernel.ts";

export interface AheadRequest {
  /** Absolute. */
  path: string;
  /** What it is to look like. */
  stamp: SourceStamp;
  /** Where a copy goes, and how many bytes its disk has to keep free; undefined: only its bytes are hashed and flushed. */
  copy: { to: string; floor: number } | undefined;
}

/** full: a copy found no room. left: the file is not what it was to be, or somebody has it open for writing. */
export type AheadReply = { hex: string; copy: SourceStamp | undefined } | "full" | "left";

const CHUNK = 1 << 20;
/** After so many bytes it is asked whether the file is still wanted, and what was written goes to the disk: no more than this is ever in the way of others. */
const STEP = 32 * CHUNK;
/** A copy asks after each step whether its disk still has room: on a small one, where little is to be left free, sooner. */
const STEPS_PER_FLOOR = 16;

class Left extends Error {}
class NoRoom extends Error {}

/**
 * Reads a file that somebody else has finished, and makes it durable: a copy of it in one pass, or the file itself. What was hashed is what the copy got. Stops within a step when the
 * file changes or goes, or its disk gets short of room; then there is no copy. It does nothing else meanwhile: it is for a process of its own.
 */
export function readFinished({ path, stamp, copy }: AheadRequest, blake3: Blake3, kernel: Kernel): AheadReply {
  let isDone = false;
  try {
    const { fd } = openRegular(path);
    try {
      if (!isSettled(stamp.ctime_ns, Date.now())) throw new Left();
      requireFinished(fd, stamp);
      const made = copy ? copyStepwise(fd, stamp, copy, blake3, kernel) : hashStepwise(fd, stamp, blake3, kernel);
      requireFinished(fd, stamp);
      isDone = true;
      return made;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return error instanceof NoRoom || isFull(error) ? "full" : "left";
  } finally {
    if (copy && !isDone) rmSync(copy.to, { force: true });
  }
}

function requireFinished(fd: number, stamp: SourceStamp): void {
  if (!isFinished(fd, stamp)) throw new Left();
}

function requireUnchanged(fd: number, stamp: SourceStamp): void {
  if (!isUnchanged(fd, stamp)) throw new Left();
}

function hashStepwise(fd: number, stamp: SourceStamp, blake3: Blake3, kernel: Kernel): { hex: string; copy: undefined } {
  const hasher = blake3.hasher();
  eachStep(
    fd,
    stamp,
    (chunk) => hasher.update(chunk),
    (from, length) => writeOutGently(kernel, fd, from, length),
  );
  fdatasyncSync(fd);
  return { hex: hasher.digest().toString("hex"), copy: undefined };
}

function copyStepwise(
  from: number,
  stamp: SourceStamp,
  { to, floor }: { to: string; floor: number },
  blake3: Blake3,
  kernel: Kernel,
): { hex: string; copy: SourceStamp } {
  const hasher = blake3.hasher();
  const isClone = cloneOpened(from, stamp.device, to);
  const fd = openSync(to, isClone ? "r" : "wx+", 0o600);
  try {
    if (isClone)
      eachStep(
        fd,
        undefined,
        (chunk) => hasher.update(chunk),
        () => requireUnchanged(from, stamp),
      );
    else
      eachStep(
        from,
        stamp,
        (chunk) => {
          hasher.update(chunk);
          writeWhole(fd, chunk);
        },
        (start, length) => {
          writeOutGently(kernel, fd, start, length);
          // its next reader, if there is one, comes much later
          kernel.forget(fd, start, length);
          if (freeRoom(diskFigures(dirname(to))) < floor) throw new NoRoom();
        },
        Math.min(Math.max(floor / STEPS_PER_FLOOR, CHUNK), STEP),
      );
    fchmodSync(fd, 0o444);
    fsyncSync(fd);
    return { hex: hasher.digest().toString("hex"), copy: sourceStamp(fstatSync(fd, { bigint: true })) };
  } finally {
    closeSync(fd);
  }
}

/** Reads a file to its end; `after` each step, unless the file is no longer the one of the stamp. */
function eachStep(
  fd: number,
  stamp: SourceStamp | undefined,
  take: (chunk: Uint8Array) => void,
  after: (from: number, length: number) => void,
  step = STEP,
): void {
  const buffer = (shared ??= Buffer.allocUnsafeSlow(CHUNK));
  let begun = 0;
  for (let at = 0; ;) {
    const read = readSync(fd, buffer, 0, CHUNK, at);
    if (read > 0) take(read === CHUNK ? buffer : buffer.subarray(0, read));
    at += read;
    if (read > 0 && at - begun < step) continue;
    if (stamp) requireUnchanged(fd, stamp);
    if (at > begun) after(begun, at - begun);
    begun = at;
    if (read === 0) return;
  }
}

let shared: Buffer | undefined;

/** A disk knows no idle priority where its queue is not sorted: so it has as long a rest as it had work. */
function writeOutGently(kernel: Kernel, fd: number, from: number, length: number): void {
  const began = performance.now();
  if (!kernel.writeOut(fd, from, length)) throw new Left();
  Bun.sleepSync(performance.now() - began);
}
