import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { loadLibc } from "./libc.ts";

/** Descriptors of ours, closed in every child that is not given them. */
export interface Pipe {
  read: number;
  write: number;
  /** Nothing is in it, and nobody is left who could write. Asked once our own end is closed; false where that cannot be told. */
  isOver(): boolean;
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
    return { read: openSync(path, constants.O_RDONLY), write, isOver: () => false };
  } finally {
    closeSync(first);
    unlinkSync(path);
  }
};

async function openByPipe2(): Promise<Pipe | undefined> {
  if (process.platform !== "linux") return undefined;
  try {
    const { pipe2, poll, ptr } = await loadLibc();
    const pair = new Int32Array(2);
    if (pipe2(ptr(pair), O_CLOEXEC) !== 0) return undefined;
    const [read, write] = [pair[0] as number, pair[1] as number];
    return {
      read,
      write,
      isOver() {
        const asked = new Int32Array([read, POLLIN]);
        return poll(ptr(asked), 1, 0) === 1 && asked[1] === ((POLLHUP << 16) | POLLIN);
      },
    };
  } catch {
    return undefined;
  }
}

const O_CLOEXEC = 0o2000000;
const POLLIN = 1;
const POLLHUP = 16;
