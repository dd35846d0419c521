import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { loadLibc } from "./libc.ts";

/** Descriptors of ours, closed in every child that is not given them. */
export interface Pipe {
  read: number;
  write: number;
}

export type PipeMaker = (directory: string) => Promise<Pipe>;

/**
 * A pipe of the kernel's. Bun's own "pipe" is a socket pair: the child could not open /dev/stdout, and it dies with us.
 * `directory` is used where there is no pipe2 (macOS, a libc without it): for a named pipe that is gone at once.
 */
export const openPipe: PipeMaker = async (directory) => (await openByPipe2()) ?? openByFifo(directory);

export const openByFifo: PipeMaker = async (directory) => {
  const path = join(directory, `.pipe-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const made = Bun.spawnSync(["mkfifo", "-m", "600", path]);
  if (made.exitCode !== 0) throw new Error(`mkfifo: ${made.stderr.toString().trim()}`);
  // a reader that does not block lets the writer open; then a reader that does block finds a writer there
  const first = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const write = openSync(path, constants.O_WRONLY);
    return { read: openSync(path, constants.O_RDONLY), write };
  } finally {
    closeSync(first);
    unlinkSync(path);
  }
};

async function openByPipe2(): Promise<Pipe | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { pipe2, ptr } = loadLibc();
    const pair = new Int32Array(2);
    return pipe2(ptr(pair), O_CLOEXEC) === 0 ? { read: pair[0] as number, write: pair[1] as number } : undefined;
  } catch {
    return undefined;
  }
}

const O_CLOEXEC = 0o2000000;
