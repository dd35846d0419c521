import { chmodSync, rmSync } from "node:fs";
import { blobFileName } from "../../blobs/file-name.ts";
import { makeDirectory, renameNoReplace, syncDirectory } from "../../blobs/durable.ts";
import { errno } from "../../domain/error.ts";
import { filePart } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { cannotTake } from "./cannot-take.ts";
import { sayGone } from "./say-gone.ts";
import type { StagedFile } from "./staged-blobs.ts";
import type { Staged } from "./staged.ts";
import type { Store } from "../store.ts";

export interface Placed {
  /** The final path of each staged file, by its blob's number. */
  files: Map<number, string>;
  pack: { id: string; path: string; size: number } | undefined;
  all: string[];
}

/** Gives staged files their lasting names. They have no rows yet: after a crash they are orphans, which gc takes when they are older than the grace. */
export function place(store: Store, staged: Staged, dataset: string): Placed {
  const placed: Placed = { files: new Map(), pack: undefined, all: [] };
  sayGone(store);
  try {
    const directory = store.path("binaries", filePart(dataset));
    for (const [blob, file] of staged.blobs.files) {
      if (placed.all.length === 0) makeDirectory(directory);
      const path = placeFile(directory, staged.blobs.hexOf(blob), file);
      placed.files.set(blob, path);
      placed.all.push(path);
      syncPoint("ingest.placed-one");
    }
    if (placed.all.length > 0) syncDirectory(directory);
    if (staged.pack) {
      const id = Bun.randomUUIDv7();
      const path = store.path("binaries", filePart(dataset), "packs", `${id}.tar`);
      makeDirectory(store.path("binaries", filePart(dataset), "packs"));
      if (!renameNoReplace(staged.pack.path, path)) throw new Error(`two packs with one id: ${id}`);
      placed.all.push(path);
      chmodSync(path, 0o444);
      syncPoint("ingest.pack-placed");
      syncDirectory(store.path("binaries", filePart(dataset), "packs"));
      placed.pack = { id, path, size: staged.pack.size };
    }
    syncPoint("ingest.placed");
    return placed;
  } catch (error) {
    for (const path of placed.all) rmSync(path, { force: true });
    if (errno(error) === undefined) throw error;
    throw cannotTake(error);
  }
}

/** A name that is taken is never shared, whatever lies there: the short digests may agree, or someone planted a file. Returns the path. */
export function placeFile(directory: string, hex: string, file: Omit<StagedFile, "moved">): string {
  const name = { type: file.type, class: file.class, hex, path: file.original };
  for (const digits of [12, 16, 24, 32, 64]) {
    const path = `${directory}/${blobFileName(name, digits)}`;
    if (renameNoReplace(file.path, path)) return path;
  }
  const path = `${directory}/${blobFileName({ ...name, class: `${file.class ?? "-"}-${Bun.randomUUIDv7().slice(-12)}` }, 64)}`;
  if (renameNoReplace(file.path, path)) return path;
  throw new Error(`no free name for ${hex} in ${directory}`);
}
