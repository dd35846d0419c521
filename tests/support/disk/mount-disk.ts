import { mkdirSync, openSync, readFileSync, writeSync, closeSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { test as bunTest } from "bun:test";
import { temporaryRoot } from "../temporary-root.ts";
import type { Fault } from "./faults.ts";
import { readOperations } from "./operation-log.ts";
import type { Logged } from "./operation-log.ts";

/** A file system in memory that records each change in order, and fails where it is told to. Linux, root, /dev/fuse. */
export interface MountedDisk extends AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  /** Puts a word between what was done before and what is done later. */
  mark(words: string): void;
  /** These, and none of earlier ones; `[]`: all is well again. */
  arm(faults: readonly Fault[]): void;
  /** Which faults were met since they were armed. */
  met(): string[];
  /** All that was done until now. */
  operations(): Logged[];
}

/** What coffer takes such a file system for: one of this machine (there its database has a write-ahead log), or one that others may share (a rollback journal). */
const TYPES = { local: "fuse.bindfs", network: "fuse.disk" };

/** Mounts one at `path`, which is made. */
export async function mountDisk(path: string, kind: keyof typeof TYPES = "local"): Promise<MountedDisk> {
  mkdirSync(path, { recursive: true });
  const log = `${path}.operations`;
  rmSync(log, { force: true });
  const server = Bun.spawn([process.execPath, join(import.meta.dir, "serve.ts"), path, log, TYPES[kind]], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const reader = server.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(`the file system did not start: ${await server.stderr.text()}`);
  const steering = join(path, ".steer");
  const order = (given: object): void => {
    const fd = openSync(steering, "r+");
    try {
      writeSync(fd, JSON.stringify(given));
    } finally {
      closeSync(fd);
    }
  };
  return {
    path,
    mark: (words) => order({ mark: words }),
    arm: (faults) => order({ faults }),
    met: () => (JSON.parse(readFileSync(steering, "utf8")) as { hit: string[] }).hit,
    operations: () => readOperations(log),
    async [Symbol.asyncDispose]() {
      Bun.spawnSync(["umount", "-l", path]);
      // whoever still has a file open there gets an error, rather than waiting for ever
      server.kill("SIGKILL");
      await server.exited;
    },
  };
}

/** `needsDisk(test)`: tests that are skipped aloud where no such file system can be mounted; in CI they fail instead. */
export function needsDisk(test: typeof bunTest): typeof bunTest {
  const missing = whatIsMissing();
  if (missing === undefined || process.env["CI"]) return test;
  console.error(`skipped: ${missing}, so the order of writes and failing disks are not tried`);
  return test.skip as typeof bunTest;
}

function whatIsMissing(): string | undefined {
  if (process.platform !== "linux" || !existsSync("/dev/fuse")) return "there is no /dev/fuse";
  if (process.getuid?.() !== 0) return "only root can mount a file system of its own";
  return canMount() ? undefined : "no FUSE file system can be mounted here";
}

function canMount(): boolean {
  using root = temporaryRoot();
  mkdirSync(root.at("m"));
  const server = Bun.spawnSync([process.execPath, join(import.meta.dir, "serve.ts"), root.at("m"), root.at("log"), TYPES.local, "try"], {
    stderr: "ignore",
  });
  Bun.spawnSync(["umount", "-l", root.at("m")], { stderr: "ignore" });
  return server.stdout.toString().startsWith("mounted");
}
