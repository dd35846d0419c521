import { closeSync, constants, fsyncSync, openSync } from "node:fs";
import { makeDirectory, syncDirectory, writeWhole } from "../blobs/durable.ts";
import * as journal from "../db/journal.ts";
import { writing } from "../db/open.ts";
import { errno } from "../domain/error.ts";
import type { Store } from "./store.ts";

/**
 * Moves what the journal table holds to `manifests/journal.jsonl`, which outlives a lost database. A crash between the two leaves a line twice;
 * its `seq` says so to whoever reads it.
 */
export function flushJournal(store: Pick<Store, "db" | "root" | "say"> & { path: Store["path"] }): void {
  if (!journal.isPending(store.db)) return;
  writing(store.db, store.say, () => {
    const lines = journal.pending(store.db);
    const last = lines.at(-1);
    if (!last) return;
    const path = store.path("manifests", "journal.jsonl");
    const fd = openJournal(path, store);
    try {
      writeWhole(fd, Buffer.from(lines.map(({ seq, line }) => `{"seq":${seq},${line.slice(1)}\n`).join("")));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    journal.written(store.db, last.seq);
  });
}

function openJournal(path: string, store: { path: Store["path"] }): number {
  const directory = store.path("manifests");
  makeDirectory(directory);
  try {
    return openSync(path, constants.O_WRONLY | constants.O_APPEND);
  } catch (error) {
    if (errno(error) !== "ENOENT") throw error;
    const fd = openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o644);
    syncDirectory(directory);
    return fd;
  }
}
