import type { IngestUnit } from "./ingest-unit.ts";
import type { StagedBlobs } from "./staged-blobs.ts";
import type { Problem } from "./walk.ts";

/** A file whose own inode is to be the blob: where else it has a name, and when it had been written to last when it was hashed. */
export interface MovedIn {
  source: string;
  mtime_ns: bigint;
}

export interface StagedUnit {
  unit: IngestUnit;
  /** Its number among the staged blobs; of a tree: of its list. */
  blob: number;
  size: number;
  files: number;
  mode: number;
  /** The numbers of a tree's members, each once; those of its basis left out. */
  members: Int32Array;
  /** A directory in the store that has so many members, all of which are there; this one has them too, but for a few. */
  basis?: { hex: string; members: number; without: string[] } | undefined;
  /** What its files look like, for the next time. */
  seen?: "same" | Buffer | undefined;
  /** It changed each time it was read. */
  unsettled: boolean;
}

export interface Staged {
  units: StagedUnit[];
  blobs: StagedBlobs;
  pack: { path: string; size: number } | undefined;
  /** Digests whose bytes in the store turned out to be lost or damaged: what was staged takes their place. */
  doubted: ReadonlySet<string>;
  problems: Problem[];
}
