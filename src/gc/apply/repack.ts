import { chmodSync, lstatSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { loadBlake3 } from "../../blobs/blake3.ts";
import { copyNoReplace } from "../../blobs/copy-no-replace.ts";
import { makeDirectory, renameNoReplace, syncDirectory } from "../../blobs/durable.ts";
import { PackWindow } from "../../blobs/pack-window.ts";
import { PackWriter } from "../../blobs/pack.ts";
import { hollowNow } from "../../db/bytes/hollow-packs.ts";
import * as packs from "../../db/bytes/packs.ts";
import type { MemberRun, PackRow } from "../../db/bytes/packs.ts";
import { forgetPack } from "../../db/garbage/sweeping.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { stampOf } from "../../store/bytes/stamp.ts";
import { isToStop, sweepAway, unlinkMoved } from "./swept.ts";
import type { Sweep } from "./swept.ts";

const MEMBERS_PER_TURN = 256;
/** What is left of so many that were hashed would stay until the heap has doubled: more than all else that a sweep needs. */
const FREED_AFTER = 100 * MEMBERS_PER_TURN;

/** Removes packs of which no member is left. */
export async function dropEmptyPacks(sweep: Sweep): Promise<void> {
  const empty = hollowNow(sweep.store.db, sweep.plan.scope.dataset).filter(({ members }) => members === 0);
  for (const [done, { seq }] of empty.entries()) {
    sweep.tell({ doing: "packs", done, of: empty.length });
    if (await isToStop(sweep)) return;
    dropPack(sweep, seq, "no blob in it is left");
  }
}

/**
 * Writes the packs of the plan anew that are more than half dead by now, each with its living members only. Every byte is held against its digest on the
 * way; a pack with a damaged member stays as it is. The new pack is durable and named before the old one goes.
 */
export async function repack(sweep: Sweep): Promise<void> {
  const planned = new Set(sweep.plan.repack.map((pack) => pack.seq));
  const hollow = hollowNow(sweep.store.db, sweep.plan.scope.dataset).filter((pack) => planned.has(pack.seq) && pack.members > 0);
  for (const [done, { seq }] of hollow.entries()) {
    sweep.tell({ doing: "packs", done, of: hollow.length });
    if (await isToStop(sweep)) return;
    const pack = packs.bySeq(sweep.store.db, seq);
    if (!pack) continue;
    try {
      await rewrite(sweep, pack);
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
      sweep.swept.failed.push({ what: pack.path, error: reason(error) });
    }
  }
}

async function rewrite(sweep: Sweep, old: PackRow): Promise<void> {
  const written = await writeAnew(sweep, old, { dataset: old.dataset, isWanted: () => true });
  if (!written) return;
  sweep.swept.repacked.push({ from: old.path, to: written.path, before: old.size, after: written.size });
  dropPack(sweep, old.seq, "it was more than half dead, and written anew");
}

/**
 * Writes living members of a pack into a new one, under any dataset, and moves their rows there. The old pack stays.
 * undefined where somebody reads from it: it stays as it is, and that is told. So it does where the sweep is to stop. Of one that another gc took, nothing is told.
 */
export async function writeAnew(
  sweep: Sweep,
  old: PackRow,
  into: { dataset: string; isWanted: (blob: number) => boolean },
): Promise<{ path: string; size: number } | undefined> {
  const { store, swept } = sweep;
  const leave = (): undefined => {
    swept.stayed.push({ what: old.path, because: "a live process reads from it; it is repacked another time" });
  };
  if (packs.isHeld(store.db, old.seq)) return leave();
  syncPoint("gc.repacking");
  using from = openPack(sweep, old);
  if (!from) return undefined;
  const id = Bun.randomUUIDv7();
  const staged = join(sweep.trash, `pack-${id}`);
  const copied = await copyLiving(sweep, { row: old, from }, into.isWanted, staged);
  if (!copied) return undefined;
  const { runs, size } = copied;
  const directory = store.path("binaries", filePart(into.dataset), "packs");
  makeDirectory(directory);
  const path = join(directory, `${id}.tar`);
  if (!(await place(staged, path))) throw new Error(`two packs with one id: ${id}`);
  syncPoint("gc.repack-placed");

  const moved = store.transaction(() => {
    // somebody may have opened the old one while the new one was written, or another gc have done it all
    if (packs.isHeld(store.db, old.seq)) return "held";
    if (!packs.bySeq(store.db, old.seq)) return "gone";
    const pack = packs.insert(store.db, {
      id,
      path: store.keep(path),
      dataset: into.dataset,
      size,
      created_at: store.now(),
      ...stampOf(lstatSync(path, { bigint: true })),
    });
    packs.moveRuns(store.db, runs, old.seq, { pack, dataset: into.dataset });
    return "moved";
  });
  if (moved !== "moved") {
    rmSync(path, { force: true });
    return moved === "held" ? leave() : undefined;
  }
  syncPoint("gc.repacked");
  swept.freed -= size;
  return { path: store.keep(path), size };
}

/** undefined where another gc was faster, and took row and file. */
function openPack({ store }: Sweep, { seq, path }: PackRow): PackWindow | undefined {
  try {
    return new PackWindow(store.path(path));
  } catch (error) {
    // that gc moves the file away before it commits; inside a transaction of ours it is done with both
    if (errno(error) === "ENOENT" && !store.transaction(() => packs.bySeq(store.db, seq))) return undefined;
    throw error;
  }
}

/** False where something is there. */
async function place(staged: string, path: string): Promise<boolean> {
  try {
    if (!renameNoReplace(staged, path)) return false;
  } catch (error) {
    if (errno(error) !== "EXDEV") throw error;
    const isPlaced = await copyNoReplace(staged, path);
    rmSync(staged, { force: true });
    return isPlaced;
  }
  chmodSync(path, 0o444);
  syncDirectory(dirname(path));
  return true;
}

/** undefined where the sweep is to stop: nothing of it is left. */
async function copyLiving(
  sweep: Sweep,
  old: { row: PackRow; from: PackWindow },
  isWanted: (blob: number) => boolean,
  to: string,
): Promise<{ runs: MemberRun[]; size: number } | undefined> {
  const blake3 = await loadBlake3();
  const runs: MemberRun[] = [];
  const writer = new PackWriter(to);
  try {
    let hashed = 0;
    for (const [index, member] of packs.members(sweep.store.db, old.row.seq).entries()) {
      if (index % MEMBERS_PER_TURN === 0 && (await isToStop(sweep))) {
        await writer.abandon();
        return undefined;
      }
      if (!isWanted(member.seq)) continue;
      const bytes = old.from.read(member.offset, member.size);
      const hex = member.blake3.toHex();
      if (!blake3.hash(bytes).equals(member.blake3))
        throw new CofferError("CORRUPT", `blake3:${hex} in ${basename(old.row.path)} is damaged, so the pack stays as it is`, {
          hint: "coffer verify lists what is damaged",
        });
      addTo(runs, member.offset, writer.add(hex, bytes));
      if (++hashed % FREED_AFTER === 0) Bun.gc(true);
    }
    return { runs, size: await writer.finish() };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** Members that nothing lay between have nothing between them now. */
function addTo(runs: MemberRun[], before: number, now: number): void {
  const run = runs.at(-1);
  if (run?.nearer === before - now) run.last = before;
  else runs.push({ first: before, last: before, nearer: before - now });
}

/** Its row and its file. The row goes only where no member is left. */
export function dropPack(sweep: Sweep, seq: number, why: string): void {
  const { store, swept } = sweep;
  const path = packs.bySeq(store.db, seq)?.path;
  try {
    store.transaction(() => {
      const pack = forgetPack(store.db, seq);
      if (!pack) return;
      sweepAway(sweep, store.path(pack.path), pack.path, pack.size);
      swept.deleted.push({ kind: "pack", what: pack.path, why, bytes: pack.size, planned: isPlanned(sweep, seq) });
    });
  } catch (error) {
    if (errno(error) === undefined) throw error;
    swept.failed.push({ what: path ?? `pack ${seq}`, error: reason(error) });
  }
  unlinkMoved(sweep);
}

function isPlanned({ plan }: Sweep, pack: number): boolean {
  return plan.others.some((item) => item.kind === "pack" && item.seq === pack);
}
