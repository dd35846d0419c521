import { readdirSync, readFileSync } from "node:fs";
import { procStat } from "../../domain/process-identity.ts";
import { errno } from "../../domain/error.ts";

/**
 * The processes of a run: those that bear its id in their environment (also after setsid or a double fork), and whatever descends from them or from
 * `childPid` (a nested run has an id of its own). Misses what both cleared its environment and lost its parents, and other users' processes.
 */
export function findFamily(runId: string, childPid: number): number[] {
  const mark = Buffer.from(`COFFER_RUN_ID=${runId}\0`);
  const members = new Set<number>([childPid]);
  const childrenOf = new Map<number, number[]>();
  for (const { pid, parent } of processes()) {
    if (pid === process.pid) continue;
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid]);
    try {
      if (readFileSync(`/proc/${pid}/environ`).includes(mark)) members.add(pid);
    } catch {
      // it ended just now, belongs to another user, or there is no /proc
    }
  }
  for (const member of members) for (const child of childrenOf.get(member) ?? []) members.add(child);
  return [...members];
}

/** Kills them all, and looks again, since what is being killed may still fork. */
export function killFamily(runId: string, childPid: number): void {
  const killed = new Set<number>();
  for (let round = 0; round < 10; round++) {
    const fresh = findFamily(runId, childPid).filter((pid) => !killed.has(pid));
    if (fresh.length === 0) return;
    for (const pid of fresh) {
      send(pid, "SIGKILL");
      killed.add(pid);
    }
  }
}

/** Sends a signal; that the process is gone is fine. */
export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // EPERM: a setuid child; nothing we could do
    if (errno(error) !== "ESRCH" && errno(error) !== "EPERM") throw error;
  }
}

function processes(): { pid: number; parent: number }[] {
  if (process.platform !== "linux") {
    const lines = Bun.spawnSync(["ps", "-axo", "pid=,ppid="]).stdout.toString().trim().split("\n");
    return lines
      .map((line) => line.trim().split(/\s+/).map(Number))
      .map(([pid, parent]) => ({ pid: pid as number, parent: parent as number }));
  }
  const found: { pid: number; parent: number }[] = [];
  for (const name of readdirSync("/proc")) {
    const stat = /^[0-9]+$/.test(name) ? procStat(Number(name)) : undefined;
    if (stat) found.push({ pid: Number(name), parent: stat.parent });
  }
  return found;
}
