import { lstatSync } from "node:fs";
import { join } from "node:path";
import { listOrNothing } from "../blobs/list-or-nothing.ts";
import { visitFiles } from "../blobs/visit-files.ts";
import * as blobs from "../db/bytes/blobs.ts";
import * as metadata from "../db/open/metadata.ts";
import * as totals from "../db/records/totals.ts";
import { sumOf, uploadFigures } from "../db/delivery/upload-figures.ts";
import type { UploadFigures } from "../db/delivery/upload-figures.ts";
import { filePart } from "../domain/names.ts";
import type { Store } from "../store/store.ts";

interface Place {
  path: string;
  files: number;
  /** Bytes that no earlier place in the list has under the same inode. */
  bytes: number;
}

export interface Stats {
  schema: "coffer.stats/1";
  root: string;
  references: number;
  unique: number;
  /** 1 - unique / references: the share of references that cost no bytes. */
  ratio: number;
  logical: number;
  stored: number;
  blobs: number;
  packed: number;
  condemned: number;
  by_type: { key: string; artifacts: number; bytes: number }[];
  by_dataset: { key: string; artifacts: number; bytes: number }[];
  by_run: { key: string; artifacts: number; bytes: number }[];
  disk: { store: Place; work: Place; cache: Place; mlflow: Place; staging: Place; damaged: Place; aside: Place; database: number };
  /** Bytes of MLflow's tree and of workspaces that are the very inodes of the store: there once, though two trees show them. */
  shared: number;
  /** Stored bytes that lie on the disk twice: those of blobs that a workspace or MLflow's tree has as well. Never more than `stored`. */
  twice: number;
  uploads: UploadFigures;
  cache: { hits: number; misses: number };
}

const SHOWN = 20;

export interface DatasetStats {
  schema: "coffer.artifacts-stats/1";
  /** null: all of them. */
  dataset: string | null;
  references: number;
  unique: number;
  /** 1 - unique / references. */
  ratio: number;
  logical: number;
  stored: number;
  blobs: number;
  packed: number;
  by_type: { key: string; artifacts: number; bytes: number }[];
  disk: Place;
}

/** What the artifacts of a dataset are and take; stored bytes are those that lie under it. */
export function datasetStats(store: Store, dataset: string | null): DatasetStats {
  const { references, unique, logical, stored, blobs: count, packed } = totals.stored(store.db, dataset);
  return {
    schema: "coffer.artifacts-stats/1",
    dataset,
    references,
    unique,
    ratio: references === 0 ? 0 : 1 - unique / references,
    logical,
    stored,
    blobs: count,
    packed,
    by_type: totals.byKey(store.db, "type", SHOWN, dataset),
    disk: measure(store.path("binaries", ...(dataset === null ? [] : [filePart(dataset)])), new Set()),
  };
}

/** Bytes by type, dataset and run, logical and stored; what lies where on the disk. Reads directories, never a file. */
export function stats(store: Store): Stats {
  const sums = totals.stored(store.db);
  const seen = new Set<string>();
  const inStore = measure(store.path("binaries"), seen);
  // a file elsewhere of exactly such a size is taken for a second copy: an estimate, since nothing is hashed; no blob has more than one
  const sizes = blobs.sizes(store.db);
  let shared = 0;
  let twice = 0;
  const beside = (path: string): Place =>
    measure(path, seen, (bytes, again) => {
      if (again) shared += bytes;
      const left = again || bytes === 0 ? 0 : (sizes.get(bytes) ?? 0);
      if (left === 0) return;
      twice += bytes;
      sizes.set(bytes, left - 1);
    });
  const { workspace, mlflow } = store.settings.roots;
  return {
    schema: "coffer.stats/1",
    root: store.root,
    references: sums.references,
    unique: sums.unique,
    ratio: sums.references === 0 ? 0 : 1 - sums.unique / sums.references,
    logical: sums.logical,
    stored: sums.stored,
    blobs: sums.blobs,
    packed: sums.packed,
    condemned: sums.condemned,
    by_type: totals.byKey(store.db, "type", SHOWN),
    by_dataset: totals.byKey(store.db, "dataset", SHOWN),
    by_run: totals.byKey(store.db, "run", SHOWN),
    disk: {
      store: inStore,
      work: beside(join(workspace, "runs")),
      mlflow: beside(mlflow),
      cache: measure(store.path("cache"), seen),
      staging: measure(store.path("tmp"), seen),
      damaged: measure(store.path("damaged"), seen),
      aside: databasesAside(store),
      database: sizeOf(["coffer.db", "coffer.db-wal", "coffer.db-shm"].map((name) => store.path(name))),
    },
    shared,
    twice,
    uploads: sumOf(uploadFigures(store.db)),
    cache: { hits: Number(metadata.get(store.db, "cache.hits") ?? 0), misses: Number(metadata.get(store.db, "cache.misses") ?? 0) },
  };
}

/** What rebuilds have set aside: `coffer.db.<time>`, with logs. */
function databasesAside(store: Store): Place {
  const names = listOrNothing(store.root).filter((name) => /^coffer\.db\.[0-9]/.test(name));
  return { path: store.path("coffer.db.*"), files: names.length, bytes: sizeOf(names.map((name) => store.path(name))) };
}

function sizeOf(paths: readonly string[]): number {
  return paths.reduce((sum, path) => sum + (lstatSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function measure(path: string, seen: Set<string>, each?: (bytes: number, again: boolean) => void): Place {
  const place: Place = { path, files: 0, bytes: 0 };
  visitFiles(path, (stat) => {
    if (!stat.isFile()) return;
    place.files++;
    const inode = `${stat.dev}:${stat.ino}`;
    const again = seen.has(inode);
    if (!again) {
      seen.add(inode);
      place.bytes += stat.size;
    }
    each?.(stat.size, again);
  });
  return place;
}
