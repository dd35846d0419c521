import { linkSync, lstatSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { copyNoReplace } from "../../blobs/copy-no-replace.ts";
import { makeDirectory, syncDirectory } from "../../blobs/durable.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow, FileStamp } from "../../db/bytes/blobs.ts";
import * as datasets from "../../db/records/datasets.ts";
import type { Displaced } from "../../db/records/datasets.ts";
import * as packs from "../../db/bytes/packs.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { digestPath } from "../../store/digest-path.ts";
import { blobRow, checkedFile } from "../../store/read.ts";
import { stampOf } from "../../store/bytes/stamp.ts";
import { dropPack, writeAnew } from "./repack.ts";
import { isToStop, sweepAway, unlinkMoved } from "./swept.ts";
import type { Sweep } from "./swept.ts";

/**
 * Gives what a purged dataset leaves to others a place among theirs: a second name (a copy, where that cannot be) that is durable, then the row, then the old
 * name goes. What somebody reads just now stays where it is; its row says so, and nothing is lost.
 */
export async function rehouse(sweep: Sweep, dataset: string): Promise<void> {
  const all = datasets.displaced(sweep.store.db, dataset);
  const byPack = Map.groupBy(
    all.filter(({ pack }) => pack !== null),
    ({ pack, dataset: to }) => `${pack} ${to}`,
  );
  const works = [
    ...all.filter(({ pack }) => pack === null).map((one) => ({ path: one.path, move: () => moveFile(sweep, one) })),
    ...[...byPack.values()].map((members) => ({
      path: (members[0] as Displaced).path,
      move: () => movePacked(sweep, members as [Displaced, ...Displaced[]]),
    })),
  ];
  for (const { path, move } of works) {
    if (await isToStop(sweep)) return;
    try {
      await move();
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
      sweep.swept.failed.push({ what: path, error: reason(error) });
    }
  }
}

const IN_USE = "a live process uses it; it moves another time";

async function moveFile(sweep: Sweep, { blob, path: from, digest, size, dataset }: Displaced): Promise<void> {
  const { store, swept } = sweep;
  // a stamp is only given anew to bytes that are what they were: somebody may have written into the file since it was hashed
  await checkedFile(store, blobRow(store, blob));
  const known = blobRow(store, blob);
  const directory = store.path("binaries", filePart(dataset));
  makeDirectory(directory);
  const path = await nameAnew(store.path(from), directory, digest.slice(digest.indexOf(":") + 1), known);
  const placed = stampOf(lstatSync(path, { bigint: true }));
  syncPoint("gc.rehouse-named");
  const moved = store.transaction(() => {
    const row = blobs.bySeq(store.db, blob);
    if (row?.state !== "live" || row.path !== from || datasets.isHeld(store.db, blob)) return false;
    blobs.replaceWithFile(store.db, blob, { path: store.keep(path), dataset, ...placed });
    return true;
  });
  if (!moved) {
    rmSync(path, { force: true });
    swept.stayed.push({ what: from, because: IN_USE });
    return;
  }
  syncPoint("gc.rehoused");
  store.transaction(() => sweepAway(sweep, store.path(from), from, 0));
  unlinkMoved(sweep);
  const stamp = stampOf(lstatSync(path, { bigint: true }));
  if (isUntouched(stamp, placed)) store.transaction(() => blobs.restamp(store.db, blob, stamp));
  swept.rehoused.push({ what: digest, from, to: store.keep(path), bytes: size });
}

/** Getting or losing a name changes a file's ctime, and nothing else of it. */
function isUntouched(stamp: FileStamp, known: Pick<BlobRow, keyof FileStamp>): boolean {
  return stamp.inode === known.inode && stamp.mtime_ns === known.mtime_ns;
}

/** The same file under a name of the same kind in another directory, durably; never in place of anything. Returns its path. */
async function nameAnew(from: string, directory: string, hex: string, known: BlobRow): Promise<string> {
  const name = basename(from);
  const [short] = /[0-9a-f]{12,64}/.exec(name) ?? [hex.slice(0, 12)];
  for (const digits of [short.length, 16, 24, 32, 64]) {
    const path = join(directory, name.replace(short, hex.slice(0, digits)));
    if (await nameOnce(from, path, hex, known)) return path;
  }
  const path = join(directory, `${Bun.randomUUIDv7().slice(-12)}_${name}`);
  if (await nameOnce(from, path, hex, known)) return path;
  throw new Error(`no free name for ${hex} in ${directory}`);
}

/** False where something has that name already. */
async function nameOnce(from: string, path: string, hex: string, known: BlobRow): Promise<boolean> {
  try {
    linkSync(from, path);
    syncDirectory(dirname(path));
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    if (errno(error) === "ENOENT") throw error;
    // another file system, or too many names already
    if (!(await copyNoReplace(from, path))) return false;
  }
  if (isUntouched(stampOf(lstatSync(path, { bigint: true })), known) || (await digestPath(path)).hex === hex) return true;
  rmSync(path, { force: true });
  throw new CofferError("CORRUPT", `${from} is damaged, and stays where it is`, { hint: "coffer verify lists what is damaged" });
}

async function movePacked(sweep: Sweep, members: [Displaced, ...Displaced[]]): Promise<void> {
  const { store, swept } = sweep;
  const [{ pack, dataset }] = members;
  const old = packs.bySeq(store.db, pack as number);
  if (!old) return;
  const wanted = new Set(members.map(({ blob }) => blob));
  const written = await writeAnew(sweep, old, { dataset, isWanted: (blob) => wanted.has(blob) });
  if (!written) return;
  for (const { digest, size } of members) swept.rehoused.push({ what: digest, from: old.path, to: written.path, bytes: size });
  dropPack(sweep, old.seq, "what others use of it lies among theirs");
}
