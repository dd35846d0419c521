import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { mountsBelow } from "../../blobs/mounts.ts";
import { openUp } from "../../blobs/open-up.ts";
import { errno, reason } from "../../domain/error.ts";
import { matcher } from "../../domain/pattern.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Problem } from "../../store/ingest/walk.ts";
import { isUtf8 } from "../../domain/is-utf8.ts";

/** What lay in a workspace at one moment, by the bytes of its path. */
export type Snapshot = ReadonlyMap<string, string>;

export interface Emptied {
  /** The workspace itself is gone. */
  gone: boolean;
  /** What the user's `retain` rules keep. */
  retained: string[];
  /** What came or changed after the snapshot: it may not be in the store, so it stays. */
  late: string[];
  /** What could not be removed. */
  problems: Problem[];
  /** What went without being stored, because the user's own rules leave it out. */
  leftOut: { files: number; bytes: number };
}

/** Take it before the outputs are read, so that whatever a straggling process writes while they are is seen later. */
export function snapshotWorkspace(workspace: string): Snapshot {
  const found = new Map<string, string>();
  const visit = (directory: Buffer, prefix: string): void => {
    for (const name of listOrNothing(directory)) {
      const path = join(directory, name);
      const stat = statOrNothing(path);
      if (!stat) continue;
      const key = `${prefix}${name.toString("latin1")}`;
      found.set(key, stamp(stat));
      if (stat.isDirectory()) visit(path, `${key}/`);
    }
  };
  // a link that the run put in its place leads to what is not ours
  if (lstatSync(workspace, { throwIfNoEntry: false })?.isDirectory()) visit(Buffer.from(workspace), "");
  return found;
}

/** What cannot be looked at (in a directory without x, or below a path that is too long) is not known, and stays. */
function statOrNothing(path: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return undefined;
  }
}

/** Tells of an opened file whether it will go: it is as it was at the snapshot, and no `retain` rule keeps it. */
export function filesToGo(snapshot: Snapshot, retain: readonly string[]): (stat: BigIntStats) => boolean {
  const retains = matcher(retain);
  const going = new Set<string>();
  for (const [key, stamped] of snapshot) if (!retains(show(key))) going.add(stamped);
  return (stat) => going.has(stamp(stat));
}

/**
 * Empties a scratch workspace whose outputs are durable, and removes it when nothing stays. Removes only what was there, unchanged, at the snapshot. Links are
 * removed, never followed; what is mounted in it is another place, and stays; directories without write permission are opened up.
 */
export function emptyWorkspace(
  workspace: string,
  snapshot: Snapshot,
  rules: { retain: readonly string[]; isLeftOut: (path: string) => boolean },
): Emptied {
  const retains = matcher(rules.retain);
  const result: Emptied = { gone: false, retained: [], late: [], problems: [], leftOut: { files: 0, bytes: 0 } };

  /** Whether nothing is left in the directory. */
  function clear(directory: Buffer, prefix: string): boolean {
    let empty = true;
    // what cannot be listed is not known: it stays, and so does the directory, which is then not empty
    for (const name of listOrNothing(directory)) {
      const path = join(directory, name);
      const key = `${prefix}${name.toString("latin1")}`;
      const shown = show(key);
      try {
        empty = clearEntry(path, key, shown) && empty;
        syncPoint("scratch.removed-one");
      } catch (error) {
        if (errno(error) === "ENOENT") continue;
        if (errno(error) === undefined) throw error;
        result.problems.push({ path: shown, why: reason(error), failed: true });
        empty = false;
      }
    }
    return empty;
  }

  function clearEntry(path: Buffer, key: string, shown: string): boolean {
    if (retains(shown)) {
      result.retained.push(shown);
      return false;
    }
    const stat = lstatSync(path, { bigint: true });
    if (stat.dev !== device || mounts.has(shown)) {
      result.problems.push({ path: shown, why: "something is mounted there", failed: true });
      return false;
    }
    const before = snapshot.get(key);
    if (before === undefined || (!stat.isDirectory() && before !== stamp(stat))) {
      result.late.push(shown);
      return false;
    }
    if (stat.isDirectory()) {
      openUp(path, stat.mode);
      if (!clear(path, `${key}/`)) return false;
      rmdirSync(path);
      return true;
    }
    unlinkSync(path);
    if (stat.isFile() && rules.isLeftOut(shown)) {
      result.leftOut.files++;
      result.leftOut.bytes += Number(stat.size);
    }
    return true;
  }

  const root = Buffer.from(workspace);
  const device = lstatSync(root, { bigint: true, throwIfNoEntry: false })?.dev;
  const mounts = mountsBelow(workspace);
  if (clear(root, "")) {
    try {
      rmdirSync(root);
      result.gone = true;
    } catch (error) {
      if (errno(error) === "ENOENT") result.gone = true;
      else result.problems.push({ path: ".", why: reason(error), failed: true });
    }
  }
  return result;
}

/** A directory changes when its entries go, so only what it is counts. */
function stamp(stat: BigIntStats): string {
  return stat.isDirectory() ? `directory ${stat.ino}` : `${stat.ino} ${stat.size} ${stat.mtimeNs}`;
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, Buffer.from("/"), name]);
}

function show(key: string): string {
  const bytes = Buffer.from(key, "latin1");
  return isUtf8(bytes) ? bytes.toString() : key.replace(/[\x80-\xff]/g, (char) => `\\x${char.charCodeAt(0).toString(16)}`);
}
