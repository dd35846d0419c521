import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { join, sep } from "node:path";
import { listOrNothing } from "../blobs/list-or-nothing.ts";
import * as integrity from "../db/integrity.ts";
import * as leases from "../db/leases.ts";
import type { LeaseRow } from "../db/leases.ts";
import { isNamed } from "../db/sweeping.ts";
import { filePart } from "../domain/names.ts";
import { formatDuration } from "../domain/quantity.ts";
import { leaseState } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { measure } from "./measure.ts";
import type { StrangeManifests } from "./strange-manifests.ts";

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
  /** null: all of them. */
  dataset: string | null;
  strange: StrangeManifests;
}

/** Holds the files against the rows. Files are listed first and rows asked after, so that what an ingest commits meanwhile is no stray. */
export function findStrays(store: Store, { grace, dataset, strange }: StrayRules): Strays {
  const files: Stray[] = [];
  const below = dataset === null ? "binaries" : join("binaries", filePart(dataset));
  let named = 0;
  for (const [path, hasRow] of filesBelow(store, below)) {
    const stray = hasRow ? undefined : strayAt(store, path, grace);
    if (hasRow) named++;
    else if (stray) files.push({ ...stray, keeper: stray.keeper ?? keptByManifest(path, strange) });
  }
  return { files, missing: named === integrity.countFiles(store.db, dataset) ? [] : missingFiles(store, dataset) };
}

/** A manifest of a run that the database does not know may name any file of its datasets; one that cannot be read may name any. */
function keptByManifest(path: string, { named, stopped }: StrangeManifests): string | undefined {
  const directory = path.split(sep)[1] ?? "";
  const stop = stopped.find(({ dataset }) => dataset === null || filePart(dataset) === directory);
  if (stop) return stop.because;
  const manifest = named.get(directory);
  return manifest === undefined ? undefined : `${manifest} tells of a run that the database does not know: it may name this file`;
}

/**
 * How a file that no row names stands now; undefined where it is gone. Its age is that of its name (ctime: a file that was moved in keeps its
 * mtime), and a live process that began before it was put there may be about to name it, however short the grace.
 */
export function strayAt(store: Store, path: string, grace: number, own?: number): Stray | undefined {
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
    keeper: keeperOf(store, stat, age, grace, own),
  };
}

const CLOCK_SLACK_MS = 2000;

function keeperOf(store: Store, stat: Stats, age: number, grace: number, own: number | undefined): string | undefined {
  if (!stat.isFile()) return "it is no regular file: remove it yourself if nobody needs it";
  if (age < grace) return `it is ${formatDuration(Math.max(0, age))} old, less than the grace of ${formatDuration(grace)}`;
  const maker = leases.all(store.db).find((lease) => mayHaveMade(lease, stat, own) && leaseState(lease, store.now()) !== "dead");
  return maker
    ? `a live process that began before it may have made it (${maker.kind}, since ${formatDuration(Math.max(0, store.now() - maker.taken_at))})`
    : undefined;
}

function mayHaveMade(lease: LeaseRow, stat: Stats, own: number | undefined): boolean {
  return lease.kind !== "read" && lease.kind !== "sync" && lease.seq !== own && lease.taken_at <= stat.ctimeMs + CLOCK_SLACK_MS;
}

/** Paths under the store's root of all that is no directory, and whether a row names them. Links are not followed. */
function* filesBelow(store: Store, directory: string): Generator<[path: string, hasRow: boolean]> {
  for (const name of listOrNothing(store.path(directory), ABSENT).sort()) {
    const path = join(directory, name);
    if (isNamed(store.db, path)) yield [path, true];
    else if (lstatSync(store.path(path), { throwIfNoEntry: false })?.isDirectory()) yield* filesBelow(store, path);
    else yield [path, false];
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
