import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync } from "node:fs";
import { makeDirectory, syncDirectory, writeWhole } from "../../blobs/durable.ts";
import * as journal from "../../db/records/journal.ts";
import { writing } from "../../db/open/open.ts";
import { errno } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Store } from "../store.ts";

/**
 * Moves what the journal table holds to `manifests/journal.jsonl`, which outlives a lost database. A crash between the two leaves a line twice;
 * its `seq` says so to whoever reads it.
 */
export function flushJournal(store: Pick<Store, "db" | "say" | "path">): void {
  if (!journal.isPending(store.db)) return;
  writing(store.db, store.say, () => {
    const lines = journal.pending(store.db);
    const last = lines.at(-1);
    if (!last) return;
    const path = store.path("manifests", "journal.jsonl");
    const fd = openJournal(path, store);
    try {
      const text = lines.map(({ seq, line }) => `{"seq":${seq},${line.slice(1)}\n`).join("");
      // a crash or a full disk may have left half a line: it must not swallow the next
      writeWhole(fd, Buffer.from(endsInLine(fd) ? text : `\n${text}`));
      syncPoint("journal.written");
      fsyncSync(fd);
      syncPoint("journal.flushed");
    } finally {
      closeSync(fd);
    }
    journal.written(store.db, last.seq);
  });
}

function endsInLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 0x0a);
}

function openJournal(path: string, store: Pick<Store, "path">): number {
  const directory = store.path("manifests");
  makeDirectory(directory);
  try {
    return openSync(path, constants.O_RDWR | constants.O_APPEND);
  } catch (error) {
    if (errno(error) !== "ENOENT") throw error;
    const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o644);
    syncDirectory(directory);
    return fd;
  }
}
