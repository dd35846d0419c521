import { readFileSync, statSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { findFamily } from "../child/family.ts";

/**
 * Looks once which files the processes that are left of a run hold open for writing or have mapped so, and answers for each file whether it is one of them: such a file
 * must be copied, not moved. Without /proc (macOS) nothing can be known, and every file counts as one.
 */
export function findOpenWriters(runId: string, childPid: number): (stat: Pick<BigIntStats, "dev" | "ino">) => boolean {
  if (process.platform !== "linux") return () => true;
  const open = new Set<string>();
  const mapped = new Set<string>();
  for (const pid of findFamily(runId, childPid)) {
    for (const fd of listOrNothing(`/proc/${pid}/fd`)) {
      try {
        const flags = Number.parseInt(/flags:\s+([0-7]+)/.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1] ?? "0", 8);
        const isReadOnly = (flags & 3) === 0;
        const stat = isReadOnly ? undefined : statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
        if (stat?.isFile()) open.add(`${stat.dev} ${stat.ino}`);
      } catch {
        // closed, or the process ended, while we looked
      }
    }
    for (const inode of mappedForWriting(pid)) mapped.add(inode);
  }
  return (stat) => open.has(`${stat.dev} ${stat.ino}`) || mapped.has(String(stat.ino));
}

/** Inodes of shared, writable mappings: they outlive the descriptor that made them. On whichever device: a needless copy costs little. */
function mappedForWriting(pid: number): string[] {
  try {
    const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
    return [...maps.matchAll(/^[0-9a-f]+-[0-9a-f]+ .w.s [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ ([1-9][0-9]*)/gm)].map((line) => line[1] as string);
  } catch {
    return [];
  }
}
