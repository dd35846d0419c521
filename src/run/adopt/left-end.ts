import { lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { END_FILE } from "../begin.ts";
import type { End } from "../finish.ts";

/** How a run ended whose end could not be written to the store. */
export interface LeftEnd extends End {
  keep_failed: boolean;
  /** Why its outputs were not stored. */
  failure: string;
  /** What is missing from its log. */
  notes: string[];
}

/** Leaves it in the workspace, for whoever adopts the run. False where that cannot be written either. */
export function leaveEnd(workspace: string, end: LeftEnd): boolean {
  const path = join(workspace, END_FILE);
  try {
    writeFileSync(path, JSON.stringify(end));
    return true;
  } catch {
    return leaveAsLink(path, end);
  }
}

/** A full disk still takes a link: up to 60 bytes of its text lie in the inode itself. */
function leaveAsLink(path: string, { state, exit_code, signal }: LeftEnd): boolean {
  try {
    rmSync(path, { force: true });
    symlinkSync(JSON.stringify({ state, exit_code, signal }), path);
    return true;
  } catch {
    return false;
  }
}

const Left = v.object({
  state: v.picklist(["finished", "failed", "killed"]),
  exit_code: v.nullable(v.number()),
  signal: v.nullable(v.string()),
  ended_at: v.optional(v.number()),
  cpu_user_ms: v.nullish(v.number(), null),
  cpu_system_ms: v.nullish(v.number(), null),
  max_rss: v.nullish(v.number(), null),
  keep_failed: v.optional(v.boolean(), false),
  failure: v.optional(v.string(), "the disk was full"),
  // a link has no room for that
  notes: v.optional(v.array(v.string()), ["its log may lack some of what it printed"]),
});

const MAX_BYTES = 1 << 16;

/** undefined where there is none, or what is there was not written by us. */
export function readLeftEnd(workspace: string): LeftEnd | undefined {
  const path = join(workspace, END_FILE);
  try {
    const stat = lstatSync(path);
    // the child may have put anything there: a FIFO would hold up every command of the store
    if (!stat.isSymbolicLink() && !(stat.isFile() && stat.size <= MAX_BYTES)) return undefined;
    const left = v.parse(Left, JSON.parse(stat.isSymbolicLink() ? readlinkSync(path) : readFileSync(path, "utf8")));
    const written = Math.floor(stat.mtimeMs);
    return {
      ...left,
      ended_at: left.ended_at !== undefined && left.ended_at > 1e12 && left.ended_at < written + 60_000 ? left.ended_at : written,
    };
  } catch {
    return undefined;
  }
}

export function removeLeftEnd(workspace: string): void {
  rmSync(join(workspace, END_FILE), { force: true });
}
