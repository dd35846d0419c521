import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { measure } from "./measure.ts";
import type { Contest, Place, Subject } from "./subject.ts";
import type { Row, Table } from "./table.ts";

export const FLUSHES: Table = { title: "Flushes", head: ["", "calls", "of"] };

/** What a path is, by the first rule that it fits. */
const KINDS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["the database", /\.db$/],
  ["the database's write-ahead log", /\.db-wal$/],
  ["the database's rollback journal", /\.db-journal$/],
  ["the journal", /\/journal\.jsonl$/],
  ["manifest", /\/manifests\/[^/]+$/],
  ["pack", /\/pack-\d+$|\.tar$/],
  ["blob", /\/blob-\d+$|\/binaries\/[^/]+\/[^/]+$/],
];

/** Runs coffer once under strace. */
export async function traceFlushes(subject: Subject, place: Place): Promise<Row> {
  const log = join(place.directory, "strace.log");
  const contest = await subject.prepare(place);
  const traced = {
    ...contest.coffer,
    command: ["strace", "-f", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,syncfs,sync,msync", "-o", log, ...contest.coffer.command],
  };
  let kinds: ReadonlyMap<string, number> = new Map();
  const coffer: Contest["coffer"] = {
    ...traced,
    // directories are looked at before they are removed; of the runs the last one counts
    async after() {
      kinds = countFlushes(readFileSync(log, "utf8"), isDirectory);
      await contest.coffer.after?.();
    },
  };
  await measure({ ...contest, coffer, peers: {} }, 0);
  const calls = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  const words = [...kinds].map(([kind, count]) => (count === 1 ? kind : `${count} × ${kind}`));
  return { what: subject.what, cells: [String(calls), words.join(", ") || "nothing"] };
}

/** Flushes in a log of `strace -f -y`, by what they flush; a call that another thread interrupts is two lines, of which only the first has a path. */
export function countFlushes(log: string, isDirectory: (path: string) => boolean): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, call, path] of log.matchAll(/^\d+ +(fsync|fdatasync|syncfs|sync|msync)\((?:\d+<(.*?)>(?=\)| <unfinished))?/gm)) {
    const kind = path === undefined || call === "syncfs" ? `the whole file system (${call})` : kindOf(path, isDirectory);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function kindOf(path: string, isDirectory: (path: string) => boolean): string {
  if (isDirectory(path)) return "directory";
  return KINDS.find(([, pattern]) => pattern.test(path))?.[0] ?? "another file";
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
