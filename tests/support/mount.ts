import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { test as bunTest } from "bun:test";
import { binary } from "./coffer.ts";

/** A small file system of its own at `path`: it can be filled, and be made read-only. Root only. */
export interface Mounted extends Disposable {
  makeReadOnly(): void;
}

export function mountSmall(path: string, size: string): Mounted {
  mkdirSync(path, { recursive: true });
  run("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path);
  return {
    makeReadOnly: () => run("mount", "-o", "remount,ro", path),
    [Symbol.dispose]: () => run("umount", "-l", path),
  };
}

/** `needsMount(test)`: tests that are skipped aloud where nothing can be mounted. */
export function needsMount(test: typeof bunTest): typeof bunTest {
  if (canMount()) return test;
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
