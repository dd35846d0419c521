import { lstatSync } from "node:fs";
import { rm } from "node:fs/promises";
import { hasStamp } from "../../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../../blobs/source-stamp.ts";
import { countOf, formatBytes } from "../../../domain/quantity.ts";
import type { AheadFile, AheadFiles } from "../../../store/ingest/ahead-files.ts";
import { isFinishedAt } from "../is-finished.ts";

export interface RememberedFile {
  stamp: SourceStamp;
  hex: string;
  /** Its own bytes are on the disk. */
  flushed: boolean;
  /** A copy of it in the staging, and what that looked like when it was complete. */
  copy: { path: string; stamp: SourceStamp } | undefined;
}

/** What is known of files that were read while their run was going, by absolute path. */
export class AheadMemory implements AheadFiles {
  readonly #files = new Map<string, RememberedFile>();
  /** Paths that were asked for, and were the same still. */
  readonly #used = new Set<string>();

  get count(): number {
    return this.#files.size;
  }

  set(path: string, file: RememberedFile): void {
    this.#files.set(path, file);
  }

  stampOf(path: string): SourceStamp | undefined {
    return this.#files.get(path)?.stamp;
  }

  paths(): string[] {
    return [...this.#files.keys()];
  }

  /** It changed, or is gone. Its copy goes on another thread: a large file takes its time. */
  forget(path: string): Promise<void> {
    const copy = this.#files.get(path)?.copy;
    this.#files.delete(path);
    return copy ? rm(copy.path, { force: true }) : Promise.resolve();
  }

  /** Gives up the largest copy, and keeps the digest. False where there is none. */
  async forgetCopy(): Promise<boolean> {
    const [largest] = [...this.#files.values()].filter(({ copy }) => copy).sort((one, other) => Number(other.stamp.size - one.stamp.size));
    if (!largest?.copy) return false;
    const { path } = largest.copy;
    largest.copy = undefined;
    await rm(path, { force: true });
    return true;
  }

  /** How much was read ahead and did not change while the run went on, and how much of that was taken at its end. */
  words(): string {
    const used = [...this.#files].filter(([path]) => this.#used.has(path));
    return `read ahead: ${sum([...this.#files.values()])}; of that, used at the end: ${sum(used.map(([, file]) => file))}`;
  }

  /** Undefined as well where somebody has it open for writing by now, or mapped so: such a one may change it without a trace in its times. */
  of(absolute: string): AheadFile | undefined {
    const file = this.#files.get(absolute);
    if (!file || !isFinishedAt(absolute, file.stamp)) return undefined;
    const { stamp, hex, flushed, copy } = file;
    this.#used.add(absolute);
    return { stamp, hex, flushed, ...(copy && isUntouched(copy) && { staged: copy.path }) };
  }
}

function sum(files: readonly RememberedFile[]): string {
  const bytes = files.reduce((total, { stamp }) => total + Number(stamp.size), 0);
  return `${countOf(files.length, "file")}, ${formatBytes(bytes)}`;
}

/** The command knows where the store is, and may write there as well. */
function isUntouched({ path, stamp }: { path: string; stamp: SourceStamp }): boolean {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat !== undefined && stat.isFile() && hasStamp(stat, stamp);
}
