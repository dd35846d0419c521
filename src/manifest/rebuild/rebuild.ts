import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { syncPath } from "../../blobs/durable.ts";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { readRegular } from "../../blobs/read-regular.ts";
import { requireUsableType } from "../../config/usable-type.ts";
import type { Settings } from "../../config/settings.ts";
import { datasetNames, FreshDatabase, renameDataset, unnamedBlobs } from "../../db/copy/fresh-database.ts";
import { holdWriters, takeLock } from "../../db/open/hold-database.ts";
import type { Held } from "../../db/open/hold-database.ts";
import * as metadata from "../../db/open/metadata.ts";
import { probeDisk, troubleAdvice, troubleWords } from "../../domain/disk-trouble.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import type { Liveness } from "../../domain/process-identity.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Damage } from "../../store/damage/damage.ts";
import { leaseState } from "../../store/lease.ts";
import { LostBytes } from "../../store/damage/lost-bytes.ts";
import { journalRefusal } from "../../store/database/journal-file.ts";
import { DATABASE, replaceDatabase } from "../../store/database/replace-database.ts";
import { openStore } from "../../store/store.ts";
import { takeStock } from "../../store/database/take-stock.ts";
import { restoreLeftRuns } from "./left-workspaces.ts";
import type { LeftRun } from "./left-workspaces.ts";
import { matterOf } from "./matter.ts";
import type { Matter } from "./matter.ts";
import { readLostRun } from "../read/lost-run.ts";
import { readJournal } from "../read/read-journal.ts";
import { replayJournal } from "./replay-journal.ts";
import { restoreLoggedRuns } from "./restore-logged.ts";
import { restoreRun } from "./restore-run.ts";
import type { Restoring } from "./restore-run.ts";
import { restoreTrees } from "./restore-trees.ts";
import { sealOf } from "../read/seal.ts";
import { writeDueManifests } from "../check/write-due-manifests.ts";

export interface Rebuilt extends Matter {
  /** The name that the old database has now. */
  aside: string | null;
  runs: number;
  artifacts: number;
  blobs: { files: number; packed: number; packs: number; bytes: number };
  journal_lines: number;
  /** Bytes that are missing, changed, short or cannot be read. */
  damage: Damage[];
  /** Whole bytes that no manifest names. They stay. */
  orphans: { digest: string; bytes: number; path: string }[];
  unread: { manifest: string; because: string }[];
  /** What could not be made as it was, in sentences. */
  notes: string[];
  /** Runs of which there is no more than a workspace. */
  left: LeftRun[];
}

export interface RebuildOptions {
  /** Also where the database is whole. */
  force: boolean;
  /** Looks, and changes nothing. */
  dryRun: boolean;
  now: () => number;
  /** Bytes that were read. */
  progress?: (bytes: number) => void;
  /** Throws where it is to stop; nothing is changed then. */
  check: () => void;
}

/**
 * Makes the database again from what lies beside it: manifests, journal, file names and packs. It is filled under another name, flushed, and takes the
 * old one's place at the very end; until then nothing is changed. The old one is set aside. Others that write are kept waiting, and find out that theirs was replaced.
 * @throws CofferError PROTECTED where the database is whole, or processes are at work; STORE_BUSY, STORE_NEWER, STORE_UNUSABLE, STORE_TYPE_UNUSABLE, NOT_FOUND
 */
export async function rebuild(settings: Settings, options: RebuildOptions): Promise<Rebuilt> {
  requireUsableType(settings.values);
  const root = settings.roots.store;
  if (!["binaries", "manifests"].some((name) => existsSync(join(root, name))))
    throw new CofferError("NOT_FOUND", `${root} has neither binaries/ nor manifests/: there is nothing to rebuild a database from`, {
      hint: "name the store with --root",
    });
  try {
    return await rebuildAt(root, settings, options);
  } catch (error) {
    if (error instanceof CofferError || !/^(?:E[A-Z]+|SQLITE_\w+)$/.test(errno(error) ?? "")) throw error;
    // SQLite does not tell a disk that is mounted read-only from one that is full; the system names the file
    const trouble = options.dryRun || !errno(error)?.startsWith("SQLITE_") ? undefined : probeDisk(root);
    const todo = trouble
      ? troubleAdvice(trouble)
      : "look whether you may read all of the store and write to its root, and whether there is room on its disk";
    throw new CofferError(
      "STORE_UNUSABLE",
      `the database of ${root} cannot be made again: ${trouble ? troubleWords(trouble) : reason(error)}`,
      {
        hint: `${todo}; then run coffer rebuild again`,
        cause: error,
      },
    );
  }
}

async function rebuildAt(root: string, settings: Settings, options: RebuildOptions): Promise<Rebuilt> {
  using lock = options.dryRun ? undefined : lockOf(root);
  const { isReadable, ...matter } = await matterOf(root, settings, options);
  using _held = options.dryRun || matter.because === "missing" ? undefined : holdOthers(settings, isReadable, matter.because, options.now);
  const fresh = options.dryRun ? ":memory:" : join(root, `${DATABASE}.new`);
  // what an earlier one left that was killed
  if (lock) for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(fresh + suffix, { force: true });
  try {
    using database = new FreshDatabase(fresh);
    const found = await fill(database, settings, options);
    if (options.dryRun) return { ...matter, aside: null, ...found };
    syncPoint("rebuild.filled");
    database.finish();
    await syncPath(fresh);
    syncPoint("rebuild.finished");
    return { ...matter, aside: replaceDatabase(root, fresh, options.now()) ?? null, ...found };
  } finally {
    if (lock) for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(fresh + suffix, { force: true });
  }
}

function lockOf(root: string): Disposable {
  const lock = takeLock(join(root, `${DATABASE}.lock`));
  if (!lock) throw new CofferError("STORE_BUSY", "another coffer rebuild is at work on this store", { hint: "wait until it is done" });
  return lock;
}

const TRIES = 10;

/**
 * Keeps others from writing. Of a whole database, what it alone knows is written down first; whoever is faster than the lock has its turn.
 * @throws CofferError PROTECTED, STORE_BUSY
 */
function holdOthers(settings: Settings, isWhole: boolean, because: Matter["because"], now: () => number): Held | undefined {
  const path = join(settings.roots.store, DATABASE);
  for (let tries = 1; tries <= TRIES; tries++) {
    if (isWhole) {
      using store = openStore(settings, { make: false, now, say: () => undefined });
      writeDueManifests(store);
    }
    const held = holdWriters(path);
    // where the database is damaged, nobody could end a run of which nothing can be known
    const isBusy = (state: Liveness): boolean => state === "alive" || (state === "unknown" && isWhole);
    const busy = held?.leases.find((lease) => lease.kind !== "read" && isBusy(leaseState(lease, now())));
    // of a run that the rows tell wrong of nothing is written down
    const mayOwe = because === "damaged" && tries > 1;
    if (!busy && (mayOwe || !(isWhole && held?.owes))) return held;
    held?.[Symbol.dispose]();
    if (busy)
      throw new CofferError(
        "PROTECTED",
        `a process is at work in this store (${busy.kind}, since ${new Date(busy.taken_at).toISOString()})`,
        {
          hint: "wait until it has ended: coffer runs shows what is running; coffer runs close ends a run whose process is known to be gone; nothing was changed",
        },
      );
  }
  const journal = join(settings.roots.store, "manifests", "journal.jsonl");
  const refusal = journalRefusal(journal);
  if (refusal !== undefined)
    throw new CofferError(
      "STORE_UNUSABLE",
      `what only the database knows cannot be written down before it is set aside: ${journal}: ${refusal}`,
      {
        hint: "put the file itself in its place, or let coffer verify --repair write it anew; nothing was changed",
      },
    );
  throw new CofferError("STORE_BUSY", "others write to this store all the time", { hint: "wait until they are done; nothing was changed" });
}

type Found = Omit<Rebuilt, "because" | "detail" | "aside">;

async function fill(database: FreshDatabase, settings: Settings, { now, progress, check }: RebuildOptions): Promise<Found> {
  const { db } = database;
  const { roots } = settings;
  const root = roots.store;
  const stock = await takeStock({ db, root, progress, check });
  const path = join(root, "manifests", "journal.jsonl");
  const journal = await readJournal(path);
  // something else in its place has no lines
  if (journal.failed !== undefined && !(journal.failed instanceof CofferError)) throw journal.failed;
  const hasLines = journal.failed === undefined;
  const bytes = new LostBytes(db, root, stock, now());
  const restoring: Restoring = { db, root, bytes, deleted: journal.deleted, told: new Map(), notes: [...stock.notes] };
  const { unread, identity } = await restoreRuns(database, restoring, check);
  const logged = hasLines ? await restoreLoggedRuns(restoring, path, roots.workspace) : [];
  // before links are made: another run may lie in one of them
  const left = [...logged, ...restoreLeftRuns(db, roots)];
  const { notes } = restoring;
  if (hasLines) notes.push(...(await replayJournal(db, path, restoring.told, journal.deleted)));
  notes.push(...journal.unread, ...database.link());
  notes.push(...(await restoreTrees(db, root, bytes, check)));
  for (const dataset of datasetNames(db)) if (filePart(dataset) !== dataset) renameDataset(db, filePart(dataset), dataset);
  database.numberOn(Math.max(journal.last, ...restoring.told.values()));
  metadata.set(db, "id", identity?.id ?? Bun.randomUUIDv7());
  metadata.set(db, "created_at", String(identity?.created_at ?? now()));
  // gc waits for a person's word
  metadata.set(db, "rebuilt", String(now()));
  return {
    ...database.totals(),
    blobs: { files: stock.files, packed: stock.packed, packs: stock.packs, bytes: stock.bytes },
    journal_lines: journal.lines,
    damage: [...bytes.damaged, ...bytes.unnamed()],
    orphans: unnamedBlobs(db),
    unread,
    notes,
    left,
  };
}

type Identity = { id: string; created_at: number };

/** A run's own manifest comes before those that were set beside it. */
async function restoreRuns(
  database: FreshDatabase,
  restoring: Restoring,
  check: () => void,
): Promise<{ unread: Rebuilt["unread"]; identity: Identity | undefined }> {
  const unread: Rebuilt["unread"] = [];
  let identity: Identity | undefined;
  const names = listOrNothing(join(restoring.root, "manifests"), ["ENOENT"]).filter((name) => name.endsWith(".yaml"));
  for (const [nth, name] of names.sort(ownFirst).entries()) {
    if (nth % 16 === 0) {
      check();
      await yieldToSignals();
    }
    const manifest = `manifests/${name}`;
    const { lost, seal } = readManifestAt(join(restoring.root, manifest));
    if (typeof lost === "string") {
      unread.push({ manifest, because: lost });
      continue;
    }
    if (seal === "changed") restoring.notes.push(`${manifest} was changed since it was written, and taken as it is`);
    const refused = database.attempt(() => restoreRun(restoring, lost, manifest));
    if (refused === undefined) identity ??= lost.store;
    else unread.push({ manifest, because: refused });
  }
  return { unread, identity };
}

function readManifestAt(path: string): { lost: ReturnType<typeof readLostRun>; seal: ReturnType<typeof sealOf> } {
  try {
    const text = readRegular(path);
    return { lost: readLostRun(text, path), seal: sealOf(text) };
  } catch (error) {
    return { lost: reason(error), seal: "unsealed" };
  }
}

/** By the ids of runs, which are in the order of time; `<id>.yaml` before `<id>.<time>.yaml`. */
function ownFirst(a: string, b: string): number {
  const [one, other] = [a, b].map((name) => name.slice(0, -".yaml".length)) as [string, string];
  return one < other ? -1 : 1;
}
