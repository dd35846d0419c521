import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errno } from "../domain/error.ts";
import { liveness, self } from "../domain/process-identity.ts";
import type { Who } from "../domain/process-identity.ts";
import { removeTree } from "./remove-tree.ts";

/** A name beside a place, for what is on its way there. It goes, with all that it has, when this is disposed of. */
export interface Beside extends Disposable {
  readonly path: string;
}

const TRIES = 3;

/**
 * Takes a name beside `target`, in the same directory. It is made of the target's, so that the next call for the same target finds, and takes away, what one left that
 * was killed; `.owner` beside it says whose it is. Where a live process has it, or the file system knows no links, a name of its own that nobody looks for.
 */
export function takeBeside(target: string): Beside {
  // not the target's own name with something added: that may be as long as a name can be
  const named = (name: string): string => join(dirname(target), `.coffer-${name}`);
  const usual = named(Bun.hash(basename(target)).toString(16).padStart(16, "0"));
  const own = named(Bun.randomUUIDv7());
  const name = claim(usual, own) ? usual : own;
  return {
    path: `${name}.tmp`,
    [Symbol.dispose]() {
      removeTree(`${name}.tmp`);
      rmSync(`${name}.owner`, { force: true });
    },
  };
}

/** Whether the usual name is ours now. */
function claim(usual: string, own: string): boolean {
  try {
    const me = self();
    // written first and named then, so that nobody reads half of it
    writeFileSync(`${own}.owner`, JSON.stringify(me), { flag: "wx" });
    for (let tries = 1; tries <= TRIES; tries++) {
      if (linked(`${own}.owner`, `${usual}.owner`)) return true;
      if (!freed(usual, own, me)) return false;
    }
    return false;
  } catch {
    // whatever keeps us from it keeps us from writing there as well, and is said then
    return false;
  } finally {
    rmSync(`${own}.owner`, { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
}

/** Takes away what a dead process left under a name. The rename tells one of two that do this at once from the other. */
function freed(usual: string, own: string, me: Who): boolean {
  const taken = `${own}.taken`;
  try {
    renameSync(`${usual}.owner`, taken);
  } catch (error) {
    if (errno(error) === "ENOENT") return true;
    throw error;
  }
  if (ownerState(taken, me) !== "dead") {
    renameSync(taken, `${usual}.owner`);
    return false;
  }
  removeTree(`${usual}.tmp`);
  rmSync(taken);
  return true;
}

function ownerState(path: string, me: Who): ReturnType<typeof liveness> {
  try {
    return liveness(JSON.parse(readFileSync(path, "utf8")) as Who, me);
  } catch {
    return "unknown";
  }
}
