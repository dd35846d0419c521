import { chmodSync, closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { test as bunTest } from "bun:test";
import { binary } from "./coffer.ts";

/** A small file system of its own at `path`: it can be filled, and be made read-only. Root only. */
export interface Mounted extends Disposable {
  makeReadOnly(): void;
}

export function mountSmall(path: string, size: string, inodes?: number): Mounted {
  mkdirSync(path, { recursive: true });
  run("mount", "-t", "tmpfs", "-o", `size=${size}${inodes === undefined ? "" : `,nr_inodes=${inodes}`}`, "tmpfs", path);
  return {
    makeReadOnly: () => run("mount", "-o", "remount,ro", path),
    [Symbol.dispose]: () => run("umount", "-l", path),
  };
}

/** The same as a disk with blocks, a journal and directories that take room: ext4 in a file beside `path`. */
export function mountExt4(path: string, size: string): Mounted {
  const image = `${path}.img`;
  mkdirSync(path, { recursive: true });
  run("truncate", "-s", size, image);
  run("mkfs.ext4", "-q", "-F", "-m", "0", image);
  run("mount", "-o", "loop", image, path);
  return {
    makeReadOnly: () => run("mount", "-o", "remount,ro", path),
    [Symbol.dispose]() {
      run("umount", "-l", path);
      rmSync(image);
    },
  };
}

/** Fills a disk with a file `filler`, until only `left` KiB are free; 0: to the last byte. */
export function fillDisk(path: string, left = 0): void {
  const file = openSync(join(path, "filler"), "a");
  try {
    for (let most = 1 << 20; most >= 512;) {
      const { bavail, bsize } = statfsSync(path);
      const free = bavail * bsize - left * 1024;
      if (left > 0 && free < 512) break;
      const step = left > 0 ? Math.min(most, free) : most;
      try {
        writeSync(file, Buffer.alloc(step, 1));
        // where blocks are given out late, nobody knows before how many are left
        fsyncSync(file);
      } catch {
        most >>= 1;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Takes what `fillDisk` put there away. */
export function makeRoom(path: string): void {
  rmSync(join(path, "filler"));
}

/** `needsTwoUsers(test)`: tests in which somebody looks at what is not theirs. */
export function needsTwoUsers(test: typeof bunTest): typeof bunTest {
  if ((process.getuid?.() === 0 && asOrdinaryUser() !== undefined) || process.env["CI"] === "true") return test;
  console.error("skipped: this user cannot become another one, so stores of somebody else are not tried");
  return test.skip as typeof bunTest;
}

/** `needsMount(test)`: tests that are skipped aloud where nothing can be mounted, and fail there under CI=true. */
export function needsMount(test: typeof bunTest): typeof bunTest {
  if (canMount() || process.env["CI"] === "true") return test;
  console.error("skipped: this user cannot mount a file system, so full and read-only disks are not tried");
  return test.skip as typeof bunTest;
}

function canMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), "coffer-mount-"));
  try {
    mountSmall(path, "64k")[Symbol.dispose]();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function run(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString().trim()}`);
}

/** What stands before a command so that a user runs it whom file modes bind; undefined where root cannot become one. */
export function asOrdinaryUser(): string[] | undefined {
  if (process.getuid?.() !== 0) return [];
  const prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  try {
    return Bun.spawnSync([...prefix, binary(), "--version"]).exitCode === 0 ? prefix : undefined;
  } catch {
    return undefined;
  }
}

/** A directory that this user may write to. */
export function giveToEverybody(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
}
