import { Database } from "bun:sqlite";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { mountDisk } from "../support/disk/mount-disk.ts";
import type { Logged } from "../support/disk/operation-log.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { SOURCES, prepareSources } from "./sources.ts";

/** One command, and what must be so once it has ended. */
export interface Step {
  args: readonly string[];
  /** Instead of a command: what a file of the store holds from now on, as if for long. */
  damage?: (store: string) => { path: string; bytes: Buffer };
}

export interface Scenario {
  /** Before the part that is cut. */
  before: readonly Step[];
  steps: readonly Step[];
  /** A command that is right only as a whole shows all of what it does or nothing; others do it piece by piece. */
  wholly: boolean;
  /** Once such an operation was made, what the step records may be nowhere else. */
  commits?: (operation: Logged) => boolean;
  /** The disk may be one that other machines share: the database has a rollback journal then. */
  disk?: "local" | "network";
  /** Another process has the database open, so that the last of a command's writes stay in the log. */
  isOpenElsewhere?: boolean;
  /** What makes the store whole again, where a step is cut that mends it. */
  mend?: readonly string[];
}

export interface Recording {
  scenario: Scenario;
  /** Where the files are that commands name. */
  sources: string;
  operations: Logged[];
  /** Where the part that is cut begins. */
  from: number;
  /** For each step: how many operations there were when it had ended. */
  ends: number[];
}

/** Does it on a disk that records. Files that commands name lie below `root`. */
export async function record(scenario: Scenario, root: TemporaryRoot): Promise<Recording> {
  prepareSources(root);
  await using disk = await mountDisk(root.at("disk"), scenario.disk);
  const store = root.at("disk/store");
  const take = async ({ args, damage }: Step): Promise<void> => {
    if (damage) {
      const { path, bytes } = damage(store);
      writeFileSync(path, bytes, { flush: true });
    } else {
      const result = await coffer(
        args.map((word) => (word === SOURCES ? root.path : word)),
        { root: store, cwd: root.path },
      );
      if (result.code !== 0) throw new Error(`coffer ${args.join(" ")}: ${result.code} ${result.stderr}`);
    }
    disk.mark(args.join(" "));
  };
  for (const step of scenario.before) await take(step);
  using _other = scenario.isOpenElsewhere ? keepOpen(join(store, "coffer.db")) : undefined;
  const from = disk.operations().length;
  for (const step of scenario.steps) await take(step);
  const operations = disk.operations();
  const ends = operations.flatMap(({ op }, index) => (op === "mark" && index >= from ? [index + 1] : []));
  return { scenario, sources: root.path, operations, from, ends };
}

function keepOpen(database: string): Disposable {
  const db = new Database(database, { readwrite: true, create: false });
  // not open before something was read
  db.query("SELECT count(*) FROM sqlite_schema").get();
  return db;
}
