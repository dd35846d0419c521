import type { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { readMember } from "../../blobs/pack.ts";
import { decodeTree } from "../../blobs/decode-tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { namedTrees } from "../../db/copy/fresh-database.ts";
import * as packs from "../../db/bytes/packs.ts";
import { reason } from "../../domain/error.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import type { LostBytes } from "../../store/damage/lost-bytes.ts";

/** Reads the lists of all directories that artifacts have, and says what lies in them. A list that is damaged names nothing: that is said. */
export async function restoreTrees(db: Database, root: string, bytes: LostBytes, check: () => void): Promise<string[]> {
  const notes: string[] = [];
  const unknown = (id: string, why: string): void => {
    notes.push(
      `what lies in the directory ${id} is not known: ${why}; when coffer verify --repair has brought it back, coffer rebuild --force reads it`,
    );
  };
  for (const { seq, dataset, id, isLost } of namedTrees(db)) {
    check();
    await yieldToSignals();
    if (isLost) {
      unknown(id, "its list is missing or damaged");
      continue;
    }
    try {
      const members = decodeTree(listOf(db, root, blobs.bySeq(db, seq) as BlobRow)).flatMap((entry) => {
        if (entry.kind !== "file") return [];
        const { hex, size, path } = entry;
        const digest = { algorithm: "blake3", hex } as const;
        return [bytes.blobOf({ digest, size, dataset: dataset ?? DEFAULT_DATASET, type: "file", class: null, path })];
      });
      blobs.insertMembers(
        db,
        seq,
        members.toSorted((a, b) => a - b),
      );
    } catch (error) {
      unknown(id, reason(error));
    }
  }
  return notes;
}

function listOf(db: Database, root: string, row: BlobRow): Buffer {
  if (row.place === "file") return readFileSync(join(root, row.path as string));
  const pack = packs.bySeq(db, row.pack as number);
  return readMember(join(root, pack?.path ?? ""), row.offset as number, row.size);
}
