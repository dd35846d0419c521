import type { IngestUnit } from "./ingest-unit.ts";

/** A unit whose bytes the store has, inside the transaction that names them. */
export interface Admitted {
  unit: IngestUnit;
  kind: "file" | "tree";
  blob: number;
  /** 64 hex digits of BLAKE3. */
  hex: string;
  /** Bytes; of a tree: of all its files. */
  size: number;
  files: number;
  mode: number;
  /** It changed each time it was read. */
  unsettled: boolean;
}

/** A file whose inode became a blob: it may be removed from where it lay, and then `settleMoved` closes the matter. */
export interface Moved {
  source: string;
  blob: number;
  path: string;
}
