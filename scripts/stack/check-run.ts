import { lstatSync, readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { DeliveredRun } from "./read-runs.ts";

/** What of a delivered run is not as it should be; empty if all is. `volume`: what is `/shared/artifacts` in the containers. */
export function checkRun(run: DeliveredRun, volume: string): string[] {
  const wrong: string[] = [];
  if (run.status !== "FINISHED") wrong.push(`the run is ${run.status}, not FINISHED`);
  if (Object.keys(run.metrics).length === 0) wrong.push("the run has no metric");
  if (run.artifacts.length === 0) wrong.push("the run has no artifact");
  if (!run.artifact_uri.startsWith(join(volume, "mlruns/"))) wrong.push(`${run.artifact_uri} is not on the shared volume`);
  const stored = inodes(join(volume, "binaries"));
  for (const { path, bytes } of run.artifacts) {
    const there = lstatSync(join(run.artifact_uri, path), { throwIfNoEntry: false });
    if (there?.size !== bytes) wrong.push(`${path} has ${bytes} bytes for MLflow, and ${there?.size ?? "none"} on the shared volume`);
    else if (!stored.has(there.ino) && !canClone(volume)) wrong.push(`${path} lies on the shared volume twice`);
  }
  return wrong;
}

function inodes(directory: string): Set<number> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Set(files.map((entry) => lstatSync(join(entry.parentPath, entry.name)).ino));
}

/** XFS and btrfs, where coffer clones: another inode, the same bytes on the disk. */
function canClone(path: string): boolean {
  return [0x58465342, 0x9123683e].includes(statfsSync(path).type);
}
