import { closeSync, lstatSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SYNC_POINTS_VARIABLE } from "../../../../src/domain/sync-point.ts";
import { spawnCoffer } from "../../../support/coffer.ts";
import type { CofferOptions } from "../../../support/coffer.ts";
import { appears } from "../../../support/appears.ts";
import type { Place } from "../../../cli/run-place.ts";

/** Bytes: it is read ahead. */
export const LARGE = 9_000_000;

/** In bash: `make NAME` makes a file that is read ahead, `held` waits until all are, and `go` lets coffer know that they were changed. */
const WORDS = `cd $COFFER_WORKSPACE
make() { head -c ${LARGE} /dev/urandom > "$1"; }
held() { until [ -e "$HELD.reached" ]; do sleep 0.02; done; }
go() { : > "$HELD"; }
`;

/** `coffer run FLAGS… -- bash -c SCRIPT`, which stands still when it has read the nth file ahead. */
export function runThatIsHeld(here: Place, script: string, { files = 1, flags = [], env = {} }: HeldOptions = {}): Held {
  const file = here.at("held");
  const run = spawnCoffer(["run", ...flags, "--", "bash", "-c", WORDS + script], {
    cwd: here.path,
    env: { COFFER_ROOT: here.root, HELD: file, BUN: process.execPath, [SYNC_POINTS_VARIABLE]: `ahead.read@${files}=hold:${file}`, ...env },
  });
  const ended = Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
  return {
    pid: run.pid,
    isHeld: () => appears(`${file}.reached`, run),
    async end() {
      const [stdout, stderr] = await ended;
      return { code: run.exitCode, stdout, stderr };
    },
  };
}

interface HeldOptions {
  files?: number;
  flags?: readonly string[];
  env?: NonNullable<CofferOptions["env"]>;
}

interface Held {
  pid: number;
  isHeld(): Promise<void>;
  end(): Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** The copies that were made ahead, by inode. */
export function copies(root: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const lease of readdirSync(join(root, "tmp")))
    for (const name of readdirSync(join(root, "tmp", lease)).filter((one) => one.startsWith("ahead-"))) {
      const path = join(root, "tmp", lease, name);
      found.set(lstatSync(path).ino, path);
    }
  return found;
}

/** Keeps files opened: what is removed meanwhile keeps its inode, which would otherwise be another file's the next moment. */
export function keepInodes(paths: Iterable<string>): Disposable {
  const descriptors = [...paths].map((path) => openSync(path, "r"));
  return {
    [Symbol.dispose]() {
      for (const fd of descriptors) closeSync(fd);
    },
  };
}
