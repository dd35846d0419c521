import { existsSync, linkSync, lstatSync, readdirSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { knowsNoLinks, renameNoReplace, syncDirectory } from "../../blobs/durable.ts";
import { CofferError } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";

export const DATABASE = "coffer.db";
/** What SQLite keeps beside a database: a log, without which the last commits are missing; or a journal, which takes back what a crash cut short, and may meet no other database. */
const BESIDE = ["-wal", "-journal", "-shm"];

/**
 * Puts a finished database in the place of the one that is there, which is set aside as `coffer.db.<time>` with its log. The caller keeps others from writing.
 *
 *  1. The old files get their second names: `coffer.db.<time>`, `-wal`, `-journal`, `-shm`. From here on the old database is there as a whole under that name.
 *  2. Their first names go, that of the database before its log, so that nobody opens the one without the other, and no log is taken for the new one's.
 *  3. The new one gets the name.
 *
 * A crash before 2 leaves the old database in place; one between 2 and 3 leaves none, which every command refuses to work without: another rebuild does the rest.
 * Returns the name of what was set aside; undefined where nothing was there.
 * @throws CofferError STORE_BUSY where another process made a database meanwhile
 */
export function replaceDatabase(root: string, fresh: string, now: number): string | undefined {
  dropNamesake(root, now);
  const aside = existsSync(join(root, DATABASE)) ? asideName(root, now) : undefined;
  if (aside !== undefined) {
    const there = ["", ...BESIDE].filter((suffix) => existsSync(join(root, DATABASE + suffix)));
    setAside(root, aside, there);
    syncDirectory(root);
    syncPoint("rebuild.unlinked");
  }
  if (!renameNoReplace(fresh, join(root, DATABASE)))
    throw new CofferError("STORE_BUSY", "another process made a database at this very moment", {
      hint: `run coffer rebuild --force; what was there before is ${aside ?? "gone"}`,
    });
  syncDirectory(root);
  syncPoint("rebuild.replaced");
  return aside;
}

function setAside(root: string, aside: string, there: readonly string[]): void {
  try {
    for (const suffix of there) linkSync(join(root, DATABASE + suffix), join(root, aside + suffix));
  } catch (error) {
    if (!knowsNoLinks(error)) throw error;
    // one after the other then: what a crash leaves behind, the next rebuild sets aside
    for (const suffix of there) renameSync(join(root, DATABASE + suffix), join(root, aside + suffix));
    return;
  }
  syncDirectory(root);
  syncPoint("rebuild.linked");
  for (const suffix of there) unlinkSync(join(root, DATABASE + suffix));
}

/** A log without its database: a crash came between the two. What was set aside has it under another name, or it is set aside now. */
function dropNamesake(root: string, now: number): void {
  if (existsSync(join(root, DATABASE))) return;
  const inodes = new Set(
    readdirSync(root)
      .filter((name) => name.startsWith(`${DATABASE}.`))
      .map((name) => lstatSync(join(root, name)).ino),
  );
  for (const suffix of BESIDE) {
    const path = join(root, DATABASE + suffix);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat && inodes.has(stat.ino)) rmSync(path);
    else if (stat) renameSync(path, join(root, asideName(root, now) + suffix));
  }
}

function asideName(root: string, now: number): string {
  const moment = new Date(now).toISOString().replaceAll(":", "");
  for (let nth = 1; ; nth++) {
    const name = `${DATABASE}.${moment}${nth === 1 ? "" : `-${nth}`}`;
    if (["", ...BESIDE].every((suffix) => !existsSync(join(root, name + suffix)))) return name;
  }
}
