import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import { keepsExactTimes } from "../../blobs/source-stamp.ts";
import * as sources from "../../db/bytes/sources.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SeenBuilder, SeenFiles } from "./seen-files.ts";
import type { StagedUnit } from "./staged.ts";
import type { StagingArea } from "./staging-area.ts";

const CHANGED = -1;

/**
 * What is known of a unit's files from the last time that it was logged, and what is to be known the next time. What was known counts only as long as the store has
 * all of it.
 */
export class SourceMemory {
  readonly #area: StagingArea;
  readonly #before: SeenFiles | undefined;
  /** Of the directory as it was. */
  readonly #members: number;
  /** Where each file that has not changed was then. */
  readonly #places: Int32Array;
  readonly #next: SeenBuilder;
  /** Both lists are sorted. */
  #at = 0;
  #unchanged = 0;

  private constructor(
    area: StagingArea,
    known: { before: SeenFiles; members: number } | undefined,
    next: { files: number; seen: SeenBuilder },
  ) {
    this.#area = area;
    this.#before = known?.before;
    this.#members = known?.members ?? 0;
    this.#places = new Int32Array(next.files).fill(CHANGED);
    this.#next = next.seen;
  }

  /** Undefined where nothing is to be remembered: what is moved in is gone then, and not every file system has times that prove something. `paths`: of its files, sorted. */
  static of(area: StagingArea, unit: IngestUnit, paths: readonly string[]): SourceMemory | undefined {
    if (area.options.remember !== true || unit.move) return undefined;
    const root = lstatSync(unit.source, { throwIfNoEntry: false });
    if (!root || !keepsExactTimes(unit.kind === "tree" ? unit.source : dirname(unit.source))) return undefined;
    const bytes = sources.seen(area.store.db, unit.source);
    const before = bytes ? SeenFiles.decode(bytes, area.blake3) : undefined;
    const members = before && (unit.kind === "tree" ? area.known.membersOf(before.hex) : 1);
    const seen = new SeenBuilder(paths, root.dev);
    return new SourceMemory(area, before && members !== undefined ? { before, members } : undefined, { files: paths.length, seen });
  }

  get isEmpty(): boolean {
    return this.#before === undefined;
  }

  /** Whether a file looks as it did. Asked for each, in their order. */
  isUnchanged(index: number, path: string, stat: Stats): boolean {
    const before = this.#before;
    if (!before) return false;
    while (this.#at < before.paths.length && (before.paths[this.#at] as string) < path) this.#at++;
    if (before.paths[this.#at] !== path || !before.isUnchanged(this.#at, stat)) return false;
    this.#places[index] = this.#at;
    this.#unchanged++;
    return true;
  }

  /** The digest of a file that has not changed. */
  hexOf(index: number): string | undefined {
    const place = this.#places[index] as number;
    return place === CHANGED ? undefined : this.#before?.hexOf(place);
  }

  /** The digest of a directory in which nothing has changed. `others`: of what is no file. */
  wholeAs(others: string): string | undefined {
    const before = this.#before;
    const isSame = before && this.#unchanged === this.#places.length && this.#unchanged === before.paths.length && before.others === others;
    return isSame ? before.hex : undefined;
  }

  /** A file was read. `stat`: from before, where it will tell of a change. */
  note(index: number, hex: string, stat: Stats | undefined): void {
    this.#next.note(index, hex, stat);
  }

  /** The directory in the store whose members this one has, but for a few. */
  get basis(): StagedUnit["basis"] {
    const before = this.#before;
    if (!before || this.#unchanged === 0) return undefined;
    const basis = { hex: before.hex, members: this.#members };
    if (this.#unchanged === before.paths.length) return { ...basis, without: [] };
    const stays = new Set(this.#places);
    const [kept, gone] = [new Set<string>(), new Set<string>()];
    for (let place = 0; place < before.paths.length; place++) (stays.has(place) ? kept : gone).add(before.hexOf(place));
    return { ...basis, without: [...gone.difference(kept)] };
  }

  /** What is to be known the next time. */
  next(hex: string, others: string): Buffer | undefined {
    const before = this.#before;
    if (before) for (const [index, place] of this.#places.entries()) if (place !== CHANGED) this.#next.copy(index, before, place);
    return this.#next.encode({ hex, others }, this.#area.blake3);
  }
}
