import { closeSync, copyFileSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, syncFile, syncPath, writeWhole } from "../../blobs/durable.ts";
import type { DatabaseCopy } from "../../db/copy/copy-database.ts";
import { errno } from "../../domain/error.ts";
import type { Store } from "../store.ts";
import { journalLines } from "./journal-lines.ts";

const AT_ONCE = 256;

/**
 * Copies the manifests of the runs that a copy of the database knows, and the journal as far as that copy has moved it to its file: later lines would have
 * the numbers that the copy will give to lines of its own. Returns the number of manifests.
 */
export async function copyManifests(store: Store, copy: DatabaseCopy, directory: string): Promise<number> {
  const to = join(directory, "manifests");
  makeDirectory(to);
  let count = 0;
  for (let runs = copy.runsWithManifest(0, AT_ONCE); runs.length > 0; runs = copy.runsWithManifest(runs.at(-1)?.seq ?? 0, AT_ONCE)) {
    const made = runs.map(({ id }) => `${id}.yaml`).filter((name) => copyOne(store.path("manifests", name), join(to, name)));
    await Promise.all(made.map((name) => syncPath(join(to, name))));
    count += made.length;
  }
  await copyJournal(store.path("manifests", "journal.jsonl"), join(to, "journal.jsonl"), copy.lastJournalled());
  return count;
}

/** False where there is none: it is due, and a later command writes it. */
function copyOne(from: string, to: string): boolean {
  try {
    copyFileSync(from, to);
    return true;
  } catch (error) {
    if (errno(error) === "ENOENT") return false;
    throw error;
  }
}

async function copyJournal(from: string, to: string, last: number): Promise<void> {
  if (!existsSync(from)) return;
  const fd = openSync(to, "wx", 0o644);
  try {
    // half a line, which a crash left, is no line
    for (const { text, seq = Infinity, isWhole } of journalLines(from))
      if (isWhole && seq <= last) writeWhole(fd, Buffer.from(`${text}\n`));
    await syncFile(fd);
  } finally {
    closeSync(fd);
  }
}
