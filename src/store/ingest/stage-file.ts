import { closeSync, fstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { willTell } from "../../blobs/believed-stamp.ts";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { foundAhead } from "./ahead-files.ts";
import type { AheadFile } from "./ahead-files.ts";
import { cannotTake } from "./cannot-take.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SMALL } from "./known-blobs.ts";
import { openSource } from "./open-source.ts";
import { readIntoFile } from "./read-into-file.ts";
import type { StagingArea } from "./staging-area.ts";

/** A file whose bytes are staged, or in the store already. */
export interface Reading {
  /** Its number among the staged blobs. */
  blob: number;
  size: number;
  mode: number;
  /** It changed each time it was read. */
  unsettled: boolean;
  /** From before it was read, where it will tell of a later change. */
  stat: Stats | undefined;
}

export interface FileToStage {
  absolute: string;
  /** Within the unit. */
  path: string;
  mayPack: boolean;
  /** Whether it is of use to know what it looks like. */
  remember: boolean;
  /** What is known of it from the last time. */
  before?: AheadFile | undefined;
}

const ATTEMPTS = 3;

/**
 * Reads one file; where it changes meanwhile, again. `isUnchanged`: it is what it was before, and was not read at all.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE
 */
export async function stageFile(area: StagingArea, unit: IngestUnit, file: FileToStage): Promise<Reading & { isUnchanged: boolean }> {
  const { absolute, path, mayPack } = file;
  for (let attempt = 1; ; attempt++) {
    const readAt = area.store.now();
    const { fd, stat } = openSource(absolute);
    try {
      const before = file.remember ? fstatSync(fd) : undefined;
      const tells = before !== undefined && willTell(fd, before.ctimeMs, readAt);
      const ahead = foundAhead(area.options.ahead?.of(absolute) ?? file.before, stat);
      const small = mayPack && area.hasPack && stat.size < BigInt(SMALL);
      const blob = small
        ? area.readIntoPack(fd, Number(stat.size))
        : await readIntoFile(area, unit, { fd, stat, absolute, path, isFirst: attempt === 1, ahead });
      const after = fstatSync(fd, { bigint: true });
      // our own link changes ctime: size and mtime tell of a writer
      const settled = blob !== undefined && after.size === stat.size && after.mtimeNs === stat.mtimeNs;
      if (settled || (attempt === ATTEMPTS && blob !== undefined))
        return {
          blob,
          size: area.blobs.sizeOf(blob),
          mode: Number(stat.mode) & 0o777,
          unsettled: !settled,
          stat: tells ? before : undefined,
          isUnchanged: ahead !== undefined && ahead === file.before && ahead.hex === area.blobs.hexOf(blob),
        };
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
