import { closeSync, openSync, readSync, watch, write } from "node:fs";
import type { FSWatcher } from "node:fs";
import { errno } from "../../domain/error.ts";

export interface Follower {
  /** Look now: something was written, or has ended. */
  wake(): void;
  /** Resolves when everything that is in the file at this moment was written out. */
  finish(): Promise<void>;
  /** Resolves at the end, with the code of the error that ended it early, such as EPIPE. */
  readonly over: Promise<string | undefined>;
}

const CHUNK = 256 * 1024;

/**
 * Writes a growing file to `out` as it grows. Writes are asynchronous: a synchronous one to a reader that is stuck (a pager) would stop
 * the event loop, and with it the passing on of signals.
 */
export function follow(path: string, out: number): Follower {
  const fd = openSync(path, "r");
  const buffer = Buffer.allocUnsafe(CHUNK);
  let position = 0;
  let finishing = false;
  let waits = 0;
  let watcher: FSWatcher | undefined;
  let ring: () => void = () => {};

  async function run(): Promise<string | undefined> {
    try {
      for (;;) {
        const last = finishing;
        const length = readSync(fd, buffer, 0, CHUNK, position);
        if (length > 0) await writeAll(out, buffer.subarray(0, length));
        else if (last) return undefined;
        else await pause();
        position += length;
      }
    } catch (error) {
      return errno(error) ?? "EIO";
    } finally {
      watcher?.close();
      closeSync(fd);
    }
  }

  // a watch costs 1.5 ms to set up, more than a short command takes in all: first look often, then wait for news
  function pause(): Promise<void> {
    const delay = waits < 5 ? 2 ** waits : 100;
    if (++waits === 6) watcher = watchQuietly(path, () => ring());
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  const over = run();
  return {
    over,
    wake: () => ring(),
    async finish() {
      finishing = true;
      ring();
      await over;
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

/** Out of inotify watches: then the look every 100 ms has to do. */
function watchQuietly(path: string, heard: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, { persistent: false }, heard);
    watcher.on("error", () => {});
    return watcher;
  } catch {
    return undefined;
  }
}
