import { closeSync, fstatSync } from "node:fs";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { cannotTake } from "./cannot-take.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SMALL } from "./known-blobs.ts";
import { openSource } from "./open-source.ts";
import { readIntoFile } from "./read-into-file.ts";
import type { StagingArea } from "./staging-area.ts";

/** A file whose bytes are staged, or in the store already. */
export interface Reading {
  hex: string;
  size: number;
  mode: number;
  /** It changed each time it was read. */
  unsettled: boolean;
}

const ATTEMPTS = 3;

/**
 * Reads one file; where it changes meanwhile, again. `path`: within the unit.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE
 */
export async function stageFile(area: StagingArea, unit: IngestUnit, absolute: string, path: string, mayPack: boolean): Promise<Reading> {
  for (let attempt = 1; ; attempt++) {
    const { fd, stat } = openSource(absolute);
    try {
      const small = mayPack && area.hasPack && stat.size < BigInt(SMALL);
      const hex = small
        ? area.readIntoPack(fd, Number(stat.size))
        : await readIntoFile(area, unit, { fd, stat, absolute, path, isFirst: attempt === 1 });
      const after = fstatSync(fd, { bigint: true });
      // our own link changes ctime: size and mtime tell of a writer
      const settled = hex !== undefined && after.size === stat.size && after.mtimeNs === stat.mtimeNs;
      if (settled || (attempt === ATTEMPTS && hex !== undefined))
        return { hex, size: area.sizeOf(hex), mode: Number(stat.mode) & 0o777, unsettled: !settled };
      if (attempt === ATTEMPTS)
        throw new CofferError("UNREADABLE", `${absolute} keeps changing while it is read`, { hint: "wait until its writer is done" });
    } catch (error) {
      if (error instanceof CofferError) throw error;
      if (isFull(error) || errno(error) === "EROFS") throw cannotTake(error);
      throw new CofferError("UNREADABLE", `${absolute} could not be kept: ${reason(error)}`, {
        hint: "see the message; nothing of it was stored",
        cause: error,
      });
    } finally {
      closeSync(fd);
    }
    area.expectSurplus();
    await Bun.sleep(20 * attempt);
  }
}
