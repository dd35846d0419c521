import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import * as inputs from "../../db/records/run-inputs.ts";
import type { RunInputRow } from "../../db/records/run-inputs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { digestPath } from "../../store/digest-path.ts";
import type { Store } from "../../store/store.ts";

/** The declared paths that are no longer what they were when the run began. Bytes are read again only where a time stamp says that something happened since. */
export async function changedInputs(store: Store, run: RunRow): Promise<RunInputRow[]> {
  const changed: RunInputRow[] = [];
  for (const input of inputs.ofRun(store.db, run.seq))
    if (input.path !== null && (await hasChanged(store.path(input.path), input.digest, run.started_at))) changed.push(input);
  return changed;
}

/** What cannot be read any more is not what it was. */
async function hasChanged(path: string, digest: string, since: number): Promise<boolean> {
  try {
    const real = realpathSync(path);
    return isTouched(real, since) && `blake3:${(await digestPath(real)).hex}` !== digest;
  } catch {
    return true;
  }
}

function isTouched(path: string, since: number): boolean {
  const stat = lstatSync(path);
  // a clock of the file system may lag behind ours by a tick
  if (stat.ctimeMs >= since - 100) return true;
  return (
    stat.isDirectory() &&
    (readdirSync(path, { recursive: true }) as string[]).some((name) => lstatSync(join(path, name)).ctimeMs >= since - 100)
  );
}
