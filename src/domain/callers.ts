import { readFileSync, readlinkSync } from "node:fs";
import { of, procStat, self } from "./process-identity.ts";
import type { Who } from "./process-identity.ts";

const DEEPEST = 16;

/**
 * For whom this process works, the nearest first: its parent, and whatever that was forked from without another program being started. A shell runs
 * `$(cd data; coffer …)` in a copy of itself that is gone a moment later, and reads what was printed after that. This process itself where its parent cannot be seen.
 */
export function callers(): Who[] {
  const found: Who[] = [];
  for (let pid = process.ppid; found.length < DEEPEST;) {
    const who = of(pid);
    if (who) found.push(who);
    const parent = who && procStat(pid)?.parent;
    if (!parent || !isCopy(pid, parent)) break;
    pid = parent;
  }
  return found.length > 0 ? found : [self()];
}

/** A forked process shows the same program with the same words as the one that it comes from, until it starts another. */
function isCopy(pid: number, parent: number): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/exe`) === readlinkSync(`/proc/${parent}/exe`) &&
      readFileSync(`/proc/${pid}/cmdline`).equals(readFileSync(`/proc/${parent}/cmdline`))
    );
  } catch {
    // another user's, gone, or a platform without /proc
    return false;
  }
}
