import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import { keepsExactTimes } from "../../blobs/believed-stamp.ts";
import * as sources from "../../db/bytes/sources.ts";
import { thisBoot } from "../../domain/process-identity.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SeenFiles, decodeSeen, encodeSeen } from "./seen-files.ts";
import type { SeenUnit } from "./seen-files.ts";
import type { StagedUnit } from "./staged.ts";
import type { StagingArea } from "./staging-area.ts";

/** Among the files of the last time. */
const NOWHERE = -1;

/** How it came to be known what a file has; the last word counts. */
const MISSING = 0;
const READ = 1;
const UNCHANGED = 2;

/**
 * What is known of a unit's files from the last time that it was logged, merged with what is found out now: that is to be known the next time. What was known counts
 * only as long as the store has all of it.
 */
export class SourceMemory {
  readonly #area: StagingArea;
  readonly #before: SeenUnit | undefined;
  /** Of the directory as it was. */
  readonly #members: number;
  /** Where each file was then. */
  readonly #places: Int32Array;
  readonly #next: SeenFiles;
  readonly #found: Uint8Array;

  private constructor(area: StagingArea, known: { before: SeenUnit; members: number } | undefined, next: SeenFiles) {
    this.#area = area;
    this.#before = known?.before;
    this.#members = known?.members ?? 0;
    this.#places = known ? placesAmong(known.before.files, next) : new Int32Array(next.count).fill(NOWHERE);
    this.#next = next;
    this.#found = new Uint8Array(next.count);
  }

  /**
   * Undefined where nothing is to be remembered: what is moved in is gone then, and not every file system has times that prove something. After a crash of the machine
   * none has: new bytes may have reached the disk without their new time, which no flush of data takes along. `paths`: of its files, sorted.
   */
  static of(area: StagingArea, unit: IngestUnit, paths: readonly string[]): SourceMemory | undefined {
    if (area.options.remember !== true || unit.move || thisBoot() === "") return undefined;
    const root = lstatSync(unit.source, { throwIfNoEntry: false });
    if (!root || !keepsExactTimes(unit.kind === "tree" ? unit.source : dirname(unit.source))) return undefined;
    const bytes = sources.seen(area.store.db, unit.source, thisBoot());
    const before = bytes ? decodeSeen(bytes, area.blake3) : undefined;
    const members = before && (unit.kind === "tree" ? area.known.membersOf(before.hex) : 1);
    return new SourceMemory(area, before && members !== undefined ? { before, members } : undefined, SeenFiles.none(paths, root.dev));
  }

  get isEmpty(): boolean {
    return this.#before === undefined;
  }

  /** The digest of a file that looks as it did. */
  knownOf(index: number, stat: Stats): string | undefined {
    return this.#looksSame(index, stat) ? this.#before?.files.hexOf(this.#places[index] as number) : undefined;
  }

  /** Takes a file for what it was, if it looks as it did. */
  believe(index: number, stat: Stats): boolean {
    if (!this.#before || !this.#looksSame(index, stat)) return false;
    this.#next.copy(index, this.#before.files, this.#places[index] as number);
    this.#found[index] = UNCHANGED;
    return true;
  }

  /** A file was read. `stat`: from before, where it will tell of a change. */
  note(index: number, digest: Uint8Array, stat: Stats | undefined): void {
    this.#next.set(index, digest, stat);
    this.#found[index] = READ;
  }

  /** The digest of a file that was believed. */
  hexOf(index: number): string | undefined {
    return this.#found[index] === UNCHANGED ? this.#next.hexOf(index) : undefined;
  }

  /** The digest of a directory in which nothing has changed. `others`: of what is no file. */
  wholeAs(others: string): string | undefined {
    const before = this.#before;
    if (before?.others !== others || before.files.count !== this.#found.length) return undefined;
    return this.#found.every((found) => found === UNCHANGED) ? before.hex : undefined;
  }

  /** The directory in the store whose members this one has, but for a few. */
  get basis(): StagedUnit["basis"] {
    const before = this.#before;
    if (!before || !this.#found.includes(UNCHANGED)) return undefined;
    const { files, hex } = before;
    const stays = new Uint8Array(files.count);
    for (const [index, place] of this.#places.entries()) if (this.#found[index] === UNCHANGED) stays[place] = 1;
    if (!stays.includes(0)) return { hex, members: this.#members, without: [] };
    const gone = new Set<string>();
    for (const [place, isKept] of stays.entries()) if (!isKept) gone.add(files.hexOf(place));
    // another file may have the same bytes
    for (const [place, isKept] of stays.entries()) if (isKept) gone.delete(files.hexOf(place));
    return { hex, members: this.#members, without: [...gone] };
  }

  /** What is to be known the next time. Undefined where that is nothing, or a file is missing. */
  next(hex: string, others: string): Buffer | undefined {
    return this.#found.includes(MISSING) ? undefined : encodeSeen({ hex, others, files: this.#next }, this.#area.blake3);
  }

  #looksSame(index: number, stat: Stats): boolean {
    const place = this.#places[index] as number;
    return place !== NOWHERE && this.#before?.files.isUnchanged(place, stat) === true;
  }
}

/** Where each file is among `others`. Both are sorted by their paths. */
function placesAmong(before: SeenFiles, files: SeenFiles): Int32Array {
  // mostly nothing was added or removed: no text is made of what was kept
  if (files.hasPathsOf(before)) return Int32Array.from({ length: files.count }, (_, index) => index);
  const [others, paths] = [before.paths, files.paths];
  const places = new Int32Array(paths.length).fill(NOWHERE);
  let at = 0;
  for (const [index, path] of paths.entries()) {
    while (at < others.length && (others[at] as string) < path) at++;
    if (others[at] === path) places[index] = at;
  }
  return places;
}
