import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import * as damage from "../../db/bytes/damage.ts";
import * as integrity from "../../db/check/integrity.ts";
import * as leases from "../../db/bytes/leases.ts";
import type { LeaseRow } from "../../db/bytes/leases.ts";
import { isNamed } from "../../db/garbage/sweeping.ts";
import { filePart } from "../../domain/names.ts";
import { atOnce } from "../../domain/pause.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { leaseState } from "../../store/lease.ts";
import type { Store } from "../../store/store.ts";
import { neighbours } from "../dataset.ts";
import type { GcScope } from "./gc-plan.ts";
import { measure } from "./measure.ts";
import { STOPPED } from "../strange-manifests.ts";

/** A file below `binaries/` that no row names. */
export interface Stray {
  /** Under the store's root. */
  path: string;
  bytes: number;
  /** Milliseconds. */
  changed: number;
  inode: number;
  age: number;
  /** Why it stays. */
  keeper: string | undefined;
}

export interface LeftStaging {
  path: string;
  bytes: number;
  why: string;
}

export interface Strays {
  files: Stray[];
  /** Rows whose files are gone. */
  missing: { blob: number; path: string }[];
}

/** A directory that is there and cannot be listed is no empty one. */
const ABSENT = ["ENOENT"];

export interface StrayRules {
  /** Milliseconds. */
  grace: number;
  scope: GcScope;
  /** All of them stay. */
  isStopped: boolean;
}

/** Holds the files against the rows. Files are listed first and rows asked after, so that what an ingest commits meanwhile is no stray. */
export function findStrays(store: Store, rules: StrayRules): Strays {
  return atOnce(lookForStrays(store, rules));
}

/** The same; yields after each file. */
export function* lookForStrays(store: Store, rules: StrayRules): Generator<void, Strays> {
  const { dataset } = rules.scope;
  const files: Stray[] = [];
  const known = { grace: rules.grace, maker: oldestMaker(store) };
  let named = 0;
  for (const { path, is } of filesOf(store, dataset)) {
    const stray = is === "named" ? undefined : strayAt(store, path, known);
    if (is === "named") named++;
    else if (stray) files.push(is === "store" ? { ...stray, keeper: "another store lies there: move it out of this one" } : stray);
    yield;
  }
  const missing = dataset === null && named === integrity.countFiles(store.db) ? [] : missingFiles(store, dataset);
  if (files.some(({ keeper }) => keeper === undefined)) {
    const keeperOf = commonKeeper(store, rules, dataset === null ? missing : undefined);
    for (const stray of files) stray.keeper ??= keeperOf(stray.path);
  }
  return { files, missing };
}

/** What keeps strays that may go by themselves. It is asked once for all of them, and only where there is one. */
export function commonKeeper(
  store: Store,
  { scope: { dataset, part }, isStopped }: Omit<StrayRules, "grace">,
  missing = missingFiles(store, null),
): (path: string) => string | undefined {
  if (isStopped) return () => STOPPED;
  const [lost] = missing;
  if (lost)
    return () =>
      `a file that a row names is gone (${lost.path}), and this may have its bytes: put that one back, log its bytes again, or rm what has it`;
  const hurt = damage.first(store.db);
  if (hurt) return () => `a blob is damaged (${hurt.digest}), and this may have its bytes: coffer verify --repair looks for them`;
  const [neighbour] = part === "purge" ? neighbours(store, dataset as string) : [];
  if (neighbour !== undefined) return () => `dataset ${neighbour} has the same directory: coffer artifacts cleanup takes what nobody needs`;
  const imported = new Set<string>();
  for (const { path } of integrity.foreignBelowBinaries(store.db))
    for (let at = path.indexOf("/binaries/"); at >= 0; at = path.indexOf("/binaries/", at + 1)) imported.add(path.slice(at + 1));
  return (path) =>
    imported.has(path) ? "an import left it here, and its row names it: coffer manifest import --copy takes it in" : undefined;
}

/**
 * How a file that no row names stands now; undefined where it is gone. Its age is that of its name (ctime: a file that was moved in keeps its
 * mtime), and a live process that began before it was put there may be about to name it, however short the grace.
 */
export function strayAt(store: Store, path: string, known: { grace: number; maker: LeaseRow | undefined }): Stray | undefined {
  const stat = lstatSync(store.path(path), { throwIfNoEntry: false });
  if (!stat) return undefined;
  const changed = Math.floor(stat.ctimeMs);
  const age = store.now() - changed;
  // what has another name too frees nothing
  return {
    path,
    bytes: stat.isFile() && stat.nlink === 1 ? stat.size : 0,
    changed,
    inode: stat.ino,
    age,
    keeper: keeperOf(store, stat, age, known),
  };
}

const CLOCK_SLACK_MS = 2000;

function keeperOf(store: Store, stat: Stats, age: number, { grace, maker }: Parameters<typeof strayAt>[2]): string | undefined {
  if (!stat.isFile()) return "it is no regular file: remove it yourself if nobody needs it";
  if (age < grace) return `it is ${formatDuration(Math.max(0, age))} old, less than the grace of ${formatDuration(grace)}`;
  return maker && maker.taken_at <= stat.ctimeMs + CLOCK_SLACK_MS
    ? `a live process that began before it may have made it (${maker.kind}, since ${formatDuration(Math.max(0, store.now() - maker.taken_at))})`
    : undefined;
}

/** Of the processes that put files into the store, but for one's own, the live one that began first. */
export function oldestMaker(store: Store, own?: number): LeaseRow | undefined {
  const makers = leases.all(store.db).filter(({ kind, seq }) => kind !== "read" && kind !== "sync" && seq !== own);
  return makers.toSorted((a, b) => a.taken_at - b.taken_at).find((lease) => leaseState(lease, store.now()) !== "dead");
}

interface Found {
  /** Under the store's root. */
  path: string;
  is: "named" | "stray" | "store";
}

const DATABASE = "coffer.db";

/** All that lies in the directory of a dataset, or of all. One that leads elsewhere is not entered. */
function* filesOf(store: Store, dataset: string | null): Generator<Found> {
  const directory = dataset === null ? "binaries" : join("binaries", filePart(dataset));
  if (dataset === null || lstatSync(store.path(directory), { throwIfNoEntry: false })?.isDirectory() !== false)
    yield* filesBelow(store, directory);
  else yield { path: directory, is: "stray" };
}

/** All that is no directory, and whether a row names it. Links are not followed, and other stores not entered. */
function* filesBelow(store: Store, directory: string): Generator<Found> {
  const names = listOrNothing(store.path(directory), ABSENT).sort();
  if (names.includes(DATABASE)) return yield { path: directory, is: "store" };
  for (const name of names) {
    const path = join(directory, name);
    if (isNamed(store.db, path)) yield { path, is: "named" };
    else if (lstatSync(store.path(path), { throwIfNoEntry: false })?.isDirectory()) yield* filesBelow(store, path);
    else yield { path, is: "stray" };
  }
}

/** What processes left in `tmp/` that ended without clearing it. */
export function leftStaging(store: Store, grace: number): LeftStaging[] {
  const names = listOrNothing(store.path("tmp"), ABSENT);
  // the leases are asked after the directory: each entry had one when it was made
  const byToken = new Map(leases.all(store.db).map((lease) => [lease.token, lease]));
  return names.flatMap((name) => {
    const lease = byToken.get(name);
    const path = join("tmp", name);
    const stat = lstatSync(store.path(path), { throwIfNoEntry: false });
    if (!stat) return [];
    // a dead run's staging has its log: it goes when the run is adopted
    if (lease && (lease.kind === "run" || leaseState(lease, store.now()) !== "dead")) return [];
    if (!lease && store.now() - stat.ctimeMs < grace) return [];
    return [
      {
        path,
        bytes: measure(store.path(path)).bytes,
        why: lease ? `staging of a process that died (${lease.kind})` : "staging that belongs to no process",
      },
    ];
  });
}

function missingFiles(store: Store, dataset: string | null): Strays["missing"] {
  const gone = new Map<string, boolean>();
  const isGone = (path: string): boolean => {
    let known = gone.get(path);
    if (known === undefined) gone.set(path, (known = lstatSync(store.path(path), { throwIfNoEntry: false }) === undefined));
    return known;
  };
  const missing: Strays["missing"] = [];
  for (const row of integrity.blobFiles(store.db, dataset)) if (isGone(row.path)) missing.push(row);
  for (const row of integrity.packedBlobs(store.db, dataset)) if (isGone(row.path)) missing.push(row);
  // those that a sweep has taken meanwhile are not missed
  return missing.filter(({ path }) => isNamed(store.db, path));
}
