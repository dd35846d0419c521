import { chmodSync, closeSync, constants, copyFileSync, fsyncSync, linkSync, lstatSync, openSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { makeDirectory, syncDirectory } from "../blobs/durable.ts";
import * as blobs from "../db/blobs.ts";
import * as datasets from "../db/datasets.ts";
import type { Displaced } from "../db/datasets.ts";
import * as packs from "../db/packs.ts";
import { CofferError, errno, reason } from "../domain/error.ts";
import { filePart } from "../domain/names.ts";
import { digestPath } from "../store/digest-path.ts";
import { stampOf } from "../store/stamp.ts";
import { dropPack, writeAnew } from "./repack.ts";
import { sweepAway, unlinkMoved } from "./swept.ts";
import type { Sweep } from "./swept.ts";

/**
 * Gives what a purged dataset leaves to others a place among theirs: a second name (a copy, where that cannot be) that is durable, then the row, then the old
 * name goes. What somebody reads just now stays where it is; its row says so, and nothing is lost.
 */
export async function rehouse(sweep: Sweep, dataset: string): Promise<void> {
  const all = datasets.displaced(sweep.store.db, dataset);
  const byPack = Map.groupBy(all.filter(isPacked), ({ pack, dataset: to }) => `${pack} ${to}`);
  const works = [
    ...all.filter((one) => !isPacked(one)).map((one) => () => moveFile(sweep, one)),
    ...[...byPack.values()].map((members) => () => movePacked(sweep, members as [Displaced, ...Displaced[]])),
  ];
  for (const [index, work] of works.entries()) {
    await yieldToSignals();
    if (sweep.swept.interrupted || sweep.stop()) {
      sweep.swept.interrupted = true;
      return;
    }
    try {
      await work();
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
      sweep.swept.failed.push({ what: (all[index] as Displaced).path, error: reason(error) });
    }
  }
}

function isPacked({ pack }: Displaced): boolean {
  return pack !== null;
}

const IN_USE = "a live process uses it; it moves another time";

async function moveFile({ store, swept, ...rest }: Sweep, { blob, path: from, digest, size, dataset }: Displaced): Promise<void> {
  const directory = store.path("binaries", filePart(dataset));
  makeDirectory(directory);
  const path = await nameAnew(store.path(from), directory, digest.slice(digest.indexOf(":") + 1));
  syncDirectory(directory);
  const stamp = () => stampOf(lstatSync(path, { bigint: true }));
  const moved = store.transaction(() => {
    const row = blobs.bySeq(store.db, blob);
    if (row?.state !== "live" || row.path !== from || datasets.isHeld(store.db, blob)) return false;
    blobs.replaceWithFile(store.db, blob, { path: store.keep(path), dataset, ...stamp() });
    return true;
  });
  if (!moved) {
    rmSync(path, { force: true });
    swept.stayed.push({ what: from, because: IN_USE });
    return;
  }
  const sweep = { store, swept, ...rest };
  store.transaction(() => sweepAway(sweep, store.path(from), from, 0));
  unlinkMoved(sweep);
  // losing a name changes a file's ctime
  store.transaction(() => blobs.restamp(store.db, blob, stamp()));
  swept.rehoused.push({ what: digest, from, to: store.keep(path), bytes: size });
}

/** The same file under a name of the same kind in another directory; never in place of anything. Returns its path. */
async function nameAnew(from: string, directory: string, hex: string): Promise<string> {
  const name = basename(from);
  const [short] = /[0-9a-f]{12,64}/.exec(name) ?? [hex.slice(0, 12)];
  for (const digits of [short.length, 16, 24, 32, 64]) {
    const path = join(directory, name.replace(short, hex.slice(0, digits)));
    if (await nameOnce(from, path, hex)) return path;
  }
  const path = join(directory, `${Bun.randomUUIDv7().slice(-12)}_${name}`);
  if (await nameOnce(from, path, hex)) return path;
  throw new Error(`no free name for ${hex} in ${directory}`);
}

/** False where something has that name already. */
async function nameOnce(from: string, path: string, hex: string): Promise<boolean> {
  try {
    linkSync(from, path);
    return true;
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    if (errno(error) === "ENOENT") throw error;
  }
  // another file system, or too many names already
  try {
    copyFileSync(from, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  } catch (error) {
    if (errno(error) === "EEXIST") return false;
    throw error;
  }
  try {
    if ((await digestPath(path)).hex !== hex)
      throw new CofferError("CORRUPT", `${from} is damaged, and stays where it is`, { hint: "coffer verify lists what is damaged" });
    chmodSync(path, 0o444);
    const fd = openSync(path, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
  return true;
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
  dropPack(sweep, old.seq);
}
