import { chmodSync, copyFileSync, lstatSync, truncateSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import type { Blake3 } from "../../blobs/blake3.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as cacheEntries from "../../db/bytes/cache-entries.ts";
import * as damaged from "../../db/bytes/damage.ts";
import * as inputs from "../../db/records/run-inputs.ts";
import { isNamed } from "../../db/garbage/sweeping.ts";
import { formatDigest } from "../../domain/digest.ts";
import { bringFile, bringReceived } from "./bring-copy.ts";
import { DiskSearch } from "./disk-search.ts";
import type { Candidate } from "./disk-search.ts";
import { listAnew } from "./list-anew.ts";
import { pathInRun } from "./lost.ts";
import type { Lost } from "./lost.ts";
import type { Store } from "../store.ts";

/** A place where lost bytes may be; they are hashed on the way. */
export interface Copy extends Candidate {
  from: "workspace" | "store" | "cache" | "input" | "directory" | "mlflow";
}

/** Copies that others keep. */
export type Elsewhere = (lost: Lost, blake3: Blake3) => AsyncIterable<Copy>;

/**
 * Where lost bytes may still be, the nearest first: in the workspace that they came from; in the store itself (members of other packs, files without a row, the
 * trash of a sweep, what was staged or set aside); in the cache; where a run read them from; below directories that somebody names; elsewhere.
 */
export class Copies {
  readonly #store: Store;
  readonly #blake3: Blake3;
  readonly #places: readonly { from: Copy["from"]; search: DiskSearch }[];
  #inputs: Map<string, { path: string }[]> | undefined;
  readonly #named: readonly DiskSearch[];
  readonly #directories: readonly string[];
  readonly #elsewhere: readonly Elsewhere[];

  /** `own`: what is staged just now. */
  constructor(
    store: Store,
    blake3: Blake3,
    given: { lost: readonly Lost[]; own: string; directories: readonly string[]; elsewhere: readonly Elsewhere[] },
  ) {
    this.#store = store;
    this.#blake3 = blake3;
    this.#directories = given.directories;
    this.#elsewhere = given.elsewhere;
    const search = (directory: string, isOther?: (path: string) => boolean): DiskSearch =>
      new DiskSearch(directory, given.lost, blake3, isOther);
    this.#places = [
      // what a row names has the row's bytes, or is what is damaged
      { from: "store", search: search(store.path("binaries"), (path) => isNamed(store.db, store.keep(path))) },
      { from: "store", search: search(store.path("tmp"), (path) => path.startsWith(`${given.own}/`)) },
      { from: "store", search: search(store.path("damaged")) },
      { from: "cache", search: search(store.path("cache")) },
    ];
    this.#named = given.directories.map((directory) => search(directory));
  }

  async *of(lost: Lost): AsyncGenerator<Copy> {
    yield* lost.isList ? this.#directoriesOf(lost) : this.#workspacesOf(lost);
    yield* this.#grown(lost);
    for (const { from, search } of this.#places) for await (const candidate of search.candidates(lost)) yield { from, ...candidate };
    for (const path of this.#readAt(lost)) yield { from: "input", path, bring: (to) => bringFile(path, to, lost, this.#blake3) };
    for (const search of this.#named) for await (const candidate of search.candidates(lost)) yield { from: "directory", ...candidate };
    for (const elsewhere of this.#elsewhere) yield* elsewhere(lost, this.#blake3);
  }

  /** A file that something was appended to still begins with them. */
  *#grown({ row, size, ...wanted }: Lost): Generator<Copy> {
    if (row?.place !== "file") return;
    const path = this.#store.path(row.path as string);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile() || stat.size <= size) return;
    const cut = async (to: string): Promise<boolean> => {
      copyFileSync(path, to);
      chmodSync(to, 0o600);
      truncateSync(to, size);
      return true;
    };
    yield { from: "store", path, bring: (to) => bringReceived(to, { size, ...wanted }, this.#blake3, cut) };
  }

  /** Where runs read these bytes, outside of the store. */
  #readAt({ digest }: Lost): string[] {
    this.#inputs ??= Map.groupBy(inputs.outside(this.#store.db), (input) => input.digest);
    return (this.#inputs.get(formatDigest(digest)) ?? []).flatMap(({ path }) => (isAbsolute(path) ? path : []));
  }

  *#workspacesOf(lost: Lost): Generator<Copy> {
    const seen = new Set<string>();
    for (const use of lost.uses) {
      const inRun = pathInRun(use);
      if (use.workspace === null || inRun === undefined) continue;
      const path = join(this.#store.path(use.workspace), inRun);
      if (seen.has(path)) continue;
      seen.add(path);
      yield { from: "workspace", path, bring: (to) => bringFile(path, to, lost, this.#blake3) };
    }
  }

  /** A list is made anew from a copy of what it listed. */
  *#directoriesOf(lost: Lost): Generator<Copy> {
    const { db } = this.#store;
    const seq = lost.row?.seq ?? -1;
    const members = damaged.membersOf(db, seq);
    // a rebuild without the list knows of no members: then whatever the store has may be one
    const isMember = (hex: string): boolean => (members.size > 0 ? members.has(hex) : blobs.known(db, Buffer.from(hex, "hex")) !== null);
    const copy = (from: Copy["from"], path: string): Copy => ({
      from,
      path,
      bring: (to) => listAnew(path, to, lost, isMember, this.#blake3),
    });
    for (const { workspace, path, kind, tree } of lost.uses)
      if (workspace !== null && kind === "tree" && tree === null) yield copy("workspace", join(this.#store.path(workspace), path));
    for (const path of this.#readAt(lost)) yield copy("input", path);
    for (const directory of this.#directories)
      for (const path of new Set(lost.uses.flatMap((use) => [join(directory, use.path), join(directory, basename(use.path)), directory])))
        if (lost.uses.some((use) => basename(use.path) === basename(path))) yield copy("directory", path);
    for (const { path } of cacheEntries.ofBlob(db, seq)) yield copy("cache", this.#store.path("cache", path));
  }
}
