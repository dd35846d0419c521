import { readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { liveness, self } from "../domain/process-identity.ts";
import type { Who } from "../domain/process-identity.ts";
import { removeTree } from "./remove-tree.ts";

/** A name beside a place, for what is on its way there. It goes, with all that it has, when this is disposed of. */
export interface Beside extends Disposable {
  readonly path: string;
}

/**
 * Takes a name beside `target`, in the same directory. No other call ever takes the same, so that nobody can take it away from a process that lives. It begins with
 * what is made of the target's name: by that the next call for the same target finds, and takes away, what one left that was killed.
 */
export function takeBeside(target: string): Beside {
  // not the target's own name with something added: that may be as long as a name can be
  const shared = `.coffer-${Bun.hash(basename(target)).toString(16).padStart(16, "0")}-`;
  const name = join(dirname(target), `${shared}${Bun.randomUUIDv7()}`);
  const remove = (): void => {
    removeTree(`${name}.tmp`);
    rmSync(`${name}.owner`, { force: true });
  };
  try {
    const me = self();
    removeDead(dirname(target), shared, me);
    // a link, since it is there with its text or not at all; and before what it tells of
    symlinkSync(JSON.stringify(me), `${name}.owner`);
  } catch {
    // where there are no links, nobody looks for what a kill leaves; whatever else is wrong shows when something is written there
  }
  return { path: `${name}.tmp`, [Symbol.dispose]: remove };
}

/** The owner's name goes last: where this is cut off, the next call goes on with it. */
function removeDead(directory: string, shared: string, me: Who): void {
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(shared) || !entry.endsWith(".owner")) continue;
    const owner = join(directory, entry);
    try {
      if (liveness(JSON.parse(readlinkSync(owner)) as Who, me) !== "dead") continue;
      removeTree(owner.replace(/owner$/, "tmp"));
      rmSync(owner, { force: true });
    } catch {
      // of somebody else, or another call takes it away at this moment
    }
  }
}
