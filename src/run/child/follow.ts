import { fstatSync, readSync, write } from "node:fs";
import { errno } from "../../domain/error.ts";

export interface Follower {
  /** Resolves when all was shown. `goesOn`: the writer has not ended, so it is all that the log has at this moment. */
  finish(goesOn: boolean): Promise<void>;
  /** Takes nothing more. */
  leave(): void;
  /** Resolves when nothing more is shown, with the code of the error that ended it early, such as EPIPE; the stream is emptied all the same. */
  readonly over: Promise<string | undefined>;
  /** Bytes that came so far. */
  taken(): number;
}

const CHUNK = 256 * 1024;
/** So much is held in memory for somebody who reads slowly; what is more is read from the log again. */
const HELD = 1024 * 1024;
const LOOK_AGAIN_MS = 20;

/**
 * Writes to `out` what comes in `stream`, a copy of which goes to the file `log` (a descriptor to read from): whatever becomes of the file, all of it is shown. Where
 * `out` takes nothing for a while, the file holds what waits for it, and the stream is held up only where that fails too. Writes are asynchronous: a synchronous one
 * to a reader that is stuck (a pager) would stop the event loop, and with it the passing on of signals.
 */
export function follow(stream: ReadableStream<Uint8Array>, log: number, out: number): Follower {
  const reader = stream.getReader();
  const queue: Uint8Array[] = [];
  let held = 0;
  let taken = 0;
  let shown = 0;
  let until = Number.POSITIVE_INFINITY;
  let isBroken = false;
  let ended = false;
  let ring: () => void = () => {};

  async function take(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        taken += value.length;
        if (!isBroken) {
          queue.push(value);
          held += value.length;
        }
        ring();
        while (held > HELD && !dropLogged()) await Bun.sleep(LOOK_AGAIN_MS);
      }
    } catch {
      // it was left
    } finally {
      ended = true;
      ring();
    }
  }

  /** Whether what is held is little enough without what the log has. */
  function dropLogged(): boolean {
    const { size } = fstatSync(log);
    for (let first = queue[0]; first !== undefined && taken - held + first.length <= size; first = queue[0]) {
      held -= first.length;
      queue.shift();
    }
    return held <= HELD;
  }

  async function show(): Promise<string | undefined> {
    try {
      for (;;) {
        const part = next();
        if (part) {
          await writeAll(out, part);
          shown += part.length;
        } else if (ended || shown >= until) return undefined;
        else await new Promise<void>((resolve) => (ring = resolve));
      }
    } catch (error) {
      isBroken = true;
      queue.length = held = 0;
      return errno(error) ?? "EIO";
    }
  }

  function next(): Uint8Array | undefined {
    if (shown < taken - held) return readBack();
    const part = queue.shift();
    held -= part?.length ?? 0;
    return part;
  }

  function readBack(): Uint8Array {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, taken - held - shown));
    const length = readSync(log, buffer, 0, buffer.length, shown);
    if (length === 0) throw new Error("somebody cut the log");
    return buffer.subarray(0, length);
  }

  const over = show();
  const taking = take();
  const leave = (): void => void reader.cancel().catch(() => {});
  return {
    over,
    leave,
    taken: () => taken,
    async finish(goesOn) {
      if (goesOn) until = fstatSync(log).size;
      ring();
      await over;
      if (goesOn) leave();
      await taking;
    },
  };
}

/** Writes all of it, also to a descriptor that does not block and is full for the moment. */
export async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    try {
      at += await new Promise<number>((resolve, reject) =>
        write(fd, bytes, at, bytes.length - at, null, (error, written) => (error ? reject(error) : resolve(written))),
      );
    } catch (error) {
      if (errno(error) !== "EAGAIN") throw error;
      await Bun.sleep(2);
    }
  }
}
