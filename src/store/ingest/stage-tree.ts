import { closeSync, fstatSync, lstatSync, openSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { SAFE_READ } from "../../blobs/copy.ts";
import { willTell } from "../../blobs/believed-stamp.ts";
import { encodeTree, encodeTreeInPieces } from "../../blobs/encode-tree.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import { reading } from "../../db/open/open.ts";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { freeLeftovers } from "../../domain/free-leftovers.ts";
import { cannotTake } from "./cannot-take.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SMALL } from "./known-blobs.ts";
import { SourceMemory } from "./source-memory.ts";
import { stageFile } from "./stage-file.ts";
import type { Reading } from "./stage-file.ts";
import type { StagedUnit } from "./staged.ts";
import type { StagingArea } from "./staging-area.ts";
import { twoAtOnce } from "../bytes/two-at-once.ts";
import type { Problem, Walked } from "./walk.ts";

const FILES_PER_TURN = 256;
const LOOKS_PER_TURN = 1024;

/** Reads the files of a directory, and makes its list. What cannot be read is added to `problems`. */
export async function stageTree(
  area: StagingArea,
  unit: IngestUnit,
  walked: Omit<Walked, "problems">,
  problems: Problem[],
): Promise<StagedUnit> {
  const tree = new TreeReading(area, unit, walked, problems);
  const changed = await tree.changed();
  for (let from = 0; from < changed.length; from += FILES_PER_TURN) {
    const turn = changed.slice(from, from + FILES_PER_TURN);
    // one read transaction for many look-ups: alone, each would take and drop the lock
    const rest = area.hasPack ? reading(area.store.db, () => tree.readSmallOnes(turn)) : turn;
    await twoAtOnce(rest, (index) => tree.readOne(index));
    await yieldToSignals();
  }
  freeLeftovers(walked.files.length);
  return tree.finish();
}

/** What is known of a directory's files, by their places among the sorted paths. */
class TreeReading {
  readonly #area: StagingArea;
  readonly #unit: IngestUnit;
  readonly #paths: readonly string[];
  readonly #others: readonly TreeEntry[];
  readonly #problems: Problem[];
  readonly #memory: SourceMemory | undefined;
  /** The number among the staged blobs of what was read, plus one. */
  readonly #blobs: Int32Array;
  readonly #sizes: Float64Array;
  readonly #modes: Uint16Array;
  #unsettled = false;
  /** So many could not be read. */
  #missing = 0;

  constructor(area: StagingArea, unit: IngestUnit, { files, others }: Omit<Walked, "problems">, problems: Problem[]) {
    this.#area = area;
    this.#unit = unit;
    this.#paths = files;
    this.#others = others;
    this.#problems = problems;
    this.#memory = SourceMemory.of(area, unit, files);
    this.#blobs = new Int32Array(files.length);
    this.#sizes = new Float64Array(files.length);
    this.#modes = new Uint16Array(files.length);
  }

  /** Those that do not look as they did when they were read, or were never read. */
  async changed(): Promise<number[]> {
    if (!this.#memory || this.#memory.isEmpty) return [...this.#paths.keys()];
    const changed: number[] = [];
    for (const index of this.#paths.keys()) {
      const stat = lstatSync(this.#absolute(index), { throwIfNoEntry: false });
      if (stat && this.#memory.believe(index, stat)) {
        this.#sizes[index] = stat.size;
        this.#modes[index] = stat.mode & 0o777;
      } else changed.push(index);
      if (index % LOOKS_PER_TURN === 0) await yieldToSignals();
    }
    return changed;
  }

  /** The way of the many small files: everything synchronous, few buffers, no promise. Returns those that have to go another way. */
  readSmallOnes(files: readonly number[]): number[] {
    const readAt = this.#area.store.now();
    return files.filter((index) => !this.#readSmallOne(index, readAt));
  }

  #readSmallOne(index: number, readAt: number): boolean {
    const area = this.#area;
    let fd: number;
    try {
      fd = openSync(this.#absolute(index), SAFE_READ);
    } catch (error) {
      this.#fail(index, error);
      return true;
    }
    try {
      const stat = fstatSync(fd);
      const { size } = stat;
      if (size >= SMALL || !stat.isFile()) return false;
      const tells = this.#memory !== undefined && willTell(fd, stat.ctimeMs, readAt);
      const blob = area.readIntoPack(fd, size);
      if (blob === undefined) return false;
      this.#keep(index, { blob, size, mode: stat.mode & 0o777, unsettled: false, stat: tells ? stat : undefined });
    } catch (error) {
      if (isFull(error)) throw cannotTake(error);
      this.#fail(index, error);
    } finally {
      closeSync(fd);
    }
    return true;
  }

  async readOne(index: number): Promise<void> {
    const path = this.#paths[index] as string;
    const file = { absolute: this.#absolute(index), path, mayPack: true, remember: this.#memory !== undefined };
    try {
      this.#keep(index, await stageFile(this.#area, this.#unit, file));
    } catch (error) {
      this.#fail(index, error);
    }
  }

  finish(): StagedUnit {
    const others = this.#area.blake3.hash(encodeTree(this.#others)).toString("hex");
    const known = this.#memory?.wholeAs(others);
    const same = known === undefined ? undefined : this.#area.find(Buffer.from(known, "hex"));
    const blob = same ?? this.#area.addList(encodeTreeInPieces(() => this.#entries(), this.#others));
    return {
      unit: this.#unit,
      blob,
      size: this.#sizes.reduce((sum, size) => sum + size, 0),
      files: this.#paths.length - this.#missing,
      mode: lstatSync(this.#unit.source).mode & 0o777,
      members: this.#members(),
      basis: this.#memory?.basis,
      seen: same === undefined ? this.#memory?.next(this.#area.blobs.hexOf(blob), others) : "same",
      unsettled: this.#unsettled,
    };
  }

  #absolute(index: number): string {
    return `${this.#unit.source}/${this.#paths[index]}`;
  }

  #keep(index: number, { blob, size, mode, unsettled, stat }: Reading): void {
    this.#blobs[index] = blob + 1;
    this.#sizes[index] = size;
    this.#modes[index] = mode;
    this.#unsettled ||= unsettled;
    this.#memory?.note(index, this.#area.blobs.digestOf(blob), stat);
  }

  #fail(index: number, error: unknown): void {
    if (error instanceof CofferError && error.code === "STORE_UNUSABLE") throw error;
    const why = errno(error) === "ENOENT" ? "it vanished while the directory was read" : reason(error);
    this.#missing++;
    this.#problems.push({ path: `${this.#unit.path}/${this.#paths[index]}`, why, failed: true });
  }

  *#entries(): Generator<TreeEntry> {
    for (const [index, path] of this.#paths.entries()) {
      const blob = this.#blobs[index] as number;
      const hex = blob > 0 ? this.#area.blobs.hexOf(blob - 1) : this.#memory?.hexOf(index);
      if (hex !== undefined) yield { kind: "file", path, mode: this.#modes[index] as number, hex, size: this.#sizes[index] as number };
    }
  }

  /** Each once, whatever files share it. */
  #members(): Int32Array {
    const isMember = new Uint8Array(this.#area.blobs.count + 1);
    let count = 0;
    for (const blob of this.#blobs) if (blob > 0 && isMember[blob] === 0) count += isMember[blob] = 1;
    const members = new Int32Array(count);
    for (let blob = isMember.length; blob > 0; blob--) if (isMember[blob] === 1) members[--count] = blob - 1;
    return members;
  }
}
