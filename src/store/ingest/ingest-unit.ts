import type { BigIntStats } from "node:fs";
import type { AheadFiles } from "./ahead-files.ts";

/** One thing to keep: it becomes one artifact. */
export interface IngestUnit {
  /** Its path within the run. */
  path: string;
  /** Where it lies now; absolute. */
  source: string;
  kind: "file" | "tree";
  /** In its file's name in `binaries/`. */
  type: string;
  class: string | null;
  /** Someone said what it is: it gets a file of its own whatever its size. */
  typed: boolean;
  /** Its inode may become the blob (a scratch workspace, our own staging): no byte is copied. */
  move: boolean;
}

export interface IngestOptions {
  dataset: string;
  /** Left out of directories; by path within the unit. */
  ignored?: (unit: IngestUnit, path: string) => boolean;
  /** Another process has it open for writing: its inode may not become the blob. The descriptor only reads. */
  openElsewhere?: (stat: BigIntStats, fd: number) => boolean;
  /** What was read before, while the run was still going. */
  ahead?: AheadFiles;
  /** What these files look like is kept, so that those which do not change are not read the next time. */
  remember?: boolean;
  /** Filled before `commit` is called: SHA-256 of each unit's bytes, by its hex BLAKE3. */
  sha256?: Map<string, Buffer>;
}
