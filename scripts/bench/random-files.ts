import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

const CHUNK = 4 << 20;

/** Fills a new directory with `count` files of `size` random bytes (200 in a subdirectory), and waits until the disk has them. */
export async function writeRandomFiles(directory: string, count: number, size: number): Promise<string[]> {
  const chunk = Buffer.allocUnsafe(Math.min(size, CHUNK));
  const paths: string[] = [];
  for (let nth = 0; nth < count; nth++) {
    const folder = count > 200 ? join(directory, String(Math.floor(nth / 200)).padStart(3, "0")) : directory;
    if (nth % 200 === 0) mkdirSync(folder, { recursive: true });
    const path = join(folder, `${String(nth).padStart(5, "0")}.bin`);
    const fd = openSync(path, "wx");
    for (let left = size; left > 0; left -= chunk.length) {
      writeSync(fd, randomFillSync(chunk), 0, Math.min(left, chunk.length));
      // a signal is heard between two chunks
      if (size > CHUNK) await setImmediate();
    }
    closeSync(fd);
    paths.push(path);
  }
  await settle(directory);
  return paths;
}

/** Writes out what the file system still holds back, so that the next measurement does not pay for it. */
export async function settle(directory: string): Promise<void> {
  await Bun.spawn(["sync", "-f", directory]).exited;
}
