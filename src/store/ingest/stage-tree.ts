import { closeSync, fstatSync, lstatSync, openSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { SAFE_READ } from "../../blobs/copy.ts";
import { encodeTree } from "../../blobs/tree.ts";
import type { TreeEntry } from "../../blobs/tree.ts";
import { reading } from "../../db/open/open.ts";
import { CofferError, errno, isFull, reason } from "../../domain/error.ts";
import { cannotTake } from "./cannot-take.ts";
import type { IngestUnit } from "./ingest-unit.ts";
import { SMALL } from "./known-blobs.ts";
import { stageFile } from "./stage-file.ts";
import type { Reading } from "./stage-file.ts";
import type { StagedUnit } from "./staged.ts";
import type { StagingArea } from "./staging-area.ts";
import { twoAtOnce } from "./two-at-once.ts";
import type { Problem, Walked } from "./walk.ts";

const FILES_PER_TURN = 256;

/** Reads the files of a directory, and makes its list. What cannot be read is added to `problems`. */
export async function stageTree(
  area: StagingArea,
  unit: IngestUnit,
  { files, others }: Omit<Walked, "problems">,
  problems: Problem[],
): Promise<StagedUnit> {
  const entries: TreeEntry[] = [...others];
  const members = new Set<string>();
  let size = 0;
  let unsettled = false;
  const keep = (path: string, found: Reading): void => {
    entries.push({ kind: "file", path, mode: found.mode, hex: found.hex, size: found.size });
    members.add(found.hex);
    size += found.size;
    unsettled ||= found.unsettled;
  };
  const fail = (path: string, error: unknown): void => {
    if (error instanceof CofferError && error.code === "STORE_UNUSABLE") throw error;
    const why = errno(error) === "ENOENT" ? "it vanished while the directory was read" : reason(error);
    problems.push({ path: `${unit.path}/${path}`, why, failed: true });
  };
  for (let at = 0; at < files.length; at += FILES_PER_TURN) {
    // one read transaction for many look-ups: alone, each would take and drop the lock
    const turn = files.slice(at, at + FILES_PER_TURN);
    const rest = area.hasPack ? reading(area.store.db, () => stageSmallOnes(area, unit, turn, keep, fail)) : turn;
    await twoAtOnce(rest, async (path) => {
      try {
        keep(path, await stageFile(area, unit, `${unit.source}/${path}`, path, true));
      } catch (error) {
        fail(path, error);
      }
    });
    await yieldToSignals();
  }
  const hex = area.addList(encodeTree(entries));
  const { mode } = lstatSync(unit.source);
  return { unit, hex, size, files: entries.length - others.length, mode: mode & 0o777, members: [...members], unsettled };
}

/** The way of the many small files: everything synchronous, one buffer, no promise. Returns those that go another way. */
function stageSmallOnes(
  area: StagingArea,
  unit: IngestUnit,
  paths: readonly string[],
  keep: (path: string, found: Reading) => void,
  fail: (path: string, error: unknown) => void,
): string[] {
  const rest: string[] = [];
  for (const path of paths) {
    let fd: number;
    try {
      fd = openSync(`${unit.source}/${path}`, SAFE_READ);
    } catch (error) {
      fail(path, error);
      continue;
    }
    try {
      const stat = fstatSync(fd);
      const { size, mode } = stat;
      const hex = size < SMALL && stat.isFile() ? area.readIntoPack(fd, size) : undefined;
      if (hex === undefined) rest.push(path);
      else keep(path, { hex, size, mode: mode & 0o777, unsettled: false });
    } catch (error) {
      if (isFull(error)) throw cannotTake(error);
      fail(path, error);
    } finally {
      closeSync(fd);
    }
  }
  return rest;
}
