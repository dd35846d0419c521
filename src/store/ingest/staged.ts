import type { IngestUnit } from "./ingest-unit.ts";
import type { Problem } from "./walk.ts";

/** Where the bytes of a blob wait until rows name them. `known`: the store had them when it was asked. */
export type StagedBytes =
  | { from: "known" }
  | { from: "pack"; offset: number }
  | { from: "file"; path: string; moved: MovedIn | undefined; type: string; class: string | null; original: string };

/** A file whose own inode is to be the blob: where else it has a name, and when it had been written to last when it was hashed. */
export interface MovedIn {
  source: string;
  mtime_ns: bigint;
}

export interface StagedBlob {
  hex: string;
  size: number;
  bytes: StagedBytes;
}

export interface StagedUnit {
  unit: IngestUnit;
  hex: string;
  size: number;
  files: number;
  mode: number;
  /** Hex digests of a tree's members; those of its basis left out. */
  members: string[];
  /** A directory in the store that has so many members, all of which are there; this one has them too, but for a few. */
  basis?: { hex: string; members: number; without: string[] } | undefined;
  /** What its files look like, for the next time. */
  seen?: "same" | Buffer | undefined;
  /** It changed each time it was read. */
  unsettled: boolean;
}

export interface Staged {
  units: StagedUnit[];
  /** By hex digest. */
  blobs: Map<string, StagedBlob>;
  pack: { path: string; size: number } | undefined;
  /** Digests whose bytes in the store turned out to be lost or damaged: what was staged takes their place. */
  doubted: ReadonlySet<string>;
  problems: Problem[];
}
