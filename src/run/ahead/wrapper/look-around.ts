import { lstatSync } from "node:fs";
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { errno } from "../../../domain/error.ts";
import { sourceStamp } from "../../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../../blobs/source-stamp.ts";

export interface Seen {
  /** Files of at least the size that was asked for, by path within the directory. */
  large: Map<string, SourceStamp>;
  /** Bytes of all files. */
  bytes: number;
}

const SLICE_MS = 4;
/** Of one processor: a fiftieth. A directory of 100,000 files is looked through in 20 s. */
const REST = 49;
/** Milliseconds: whoever was stopped for a minute in the middle of a slice does not rest for an hour. */
const LONGEST_REST = 5_000;

/**
 * Bytes of a directory, not of its files: 100,000 entries. One that is larger is not looked at, nor what is below it: there is no list of a part of a directory, and the whole would come to us in one
 * piece (of a million entries, 80 ms).
 */
const HUGE = 4 << 20;

interface LookOptions {
  atLeast: number;
  /** Pauses for so many milliseconds, and resolves with false where nobody wants to know any more. */
  rest: (ms: number) => Promise<boolean>;
  /** Milliseconds of a clock that only goes forward. */
  now?: () => number;
  huge?: number;
}

/**
 * Looks through a directory while others work there: in slices so short that nothing else of this process waits for it, with a rest after each. No link is followed, and no other file system entered.
 * Where nobody wants to know any more, what was seen is incomplete, and undefined.
 */
export async function lookAround(
  directory: string,
  { atLeast, rest, now = () => performance.now(), huge = HUGE }: LookOptions,
): Promise<Seen | undefined> {
  const seen: Seen = { large: new Map(), bytes: 0 };
  const device = lookAt(directory)?.dev;
  const waiting = [""];
  let since = now();
  const pace = async (): Promise<boolean> => {
    const took = now() - since;
    if (took < SLICE_MS) return true;
    const goesOn = await rest(Math.min(took * REST, LONGEST_REST));
    since = now();
    return goesOn;
  };
  for (let prefix = waiting.pop(); prefix !== undefined; prefix = waiting.pop()) {
    const asked = now();
    const entries = await entriesOf(`${directory}/${prefix}`, huge);
    // to wait for another thread is no work of ours: on a busy machine it takes long
    since += now() - asked;
    for (const entry of entries) {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory()) waiting.push(`${path}/`);
      else if (entry.isFile()) {
        const stat = lookAt(`${directory}/${path}`);
        if (stat?.dev !== device) continue;
        seen.bytes += stat?.size ?? 0;
        if (stat && stat.size >= atLeast) keep(seen, directory, path);
      }
      if (!(await pace())) return undefined;
    }
  }
  return seen;
}

function keep({ large }: Seen, directory: string, path: string): void {
  const stat = lstatSync(`${directory}/${path}`, { bigint: true, throwIfNoEntry: false });
  if (stat?.isFile()) large.set(path, sourceStamp(stat));
}

/** What goes while we look, or cannot be looked at, is not there. */
function lookAt(path: string): { dev: number; size: number } | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return undefined;
  }
}

/** Another thread reads them. */
async function entriesOf(directory: string, huge: number): Promise<Dirent[]> {
  const size = lookAt(directory)?.size;
  if (size === undefined || size > huge) return [];
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return [];
  }
}
