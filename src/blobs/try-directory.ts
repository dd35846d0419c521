import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { reason } from "../domain/error.ts";
import { refusesFlush } from "./durable.ts";

/** What a directory's file system can, tried with files of its own. */
export interface DirectoryTrial {
  /** What went wrong; undefined where a rename takes the place of another file. */
  rename: string | undefined;
  flush: { file: string | undefined; directory: "works" | "refused" | { fault: string } };
  links: boolean;
  clones: boolean;
  /** Names that differ in capitals only are one. */
  isCaseless: boolean;
  /** The longest name that was taken, in bytes. */
  nameBytes: number;
  /** Nanoseconds: a power of ten that all times of change are multiples of. */
  tick: number;
}

/** Tries all of it in `directory`, which is empty and the caller's to remove. */
export function tryDirectory(directory: string): DirectoryTrial {
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("one"), "one");
  return {
    rename: faultOf(() => {
      writeFileSync(at("old"), "old");
      writeFileSync(at("new"), "new");
      renameSync(at("new"), at("old"));
      if (readFileSync(at("old"), "utf8") !== "new" || existsSync(at("new"))) throw new Error("the old file is still there");
    }),
    flush: { file: faultOf(() => flush(at("one"), constants.O_RDWR)), directory: flushOf(directory) },
    links: can(() => linkSync(at("one"), at("link"))),
    clones: can(() => copyFileSync(at("one"), at("clone"), constants.COPYFILE_FICLONE_FORCE)),
    isCaseless: existsSync(at("ONE")),
    nameBytes: [255, 254, 143, 127].find((length) => can(() => writeFileSync(at("n".repeat(length)), ""))) ?? 64,
    tick: tickOf(directory),
  };
}

function flushOf(directory: string): DirectoryTrial["flush"]["directory"] {
  try {
    flush(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    return "works";
  } catch (error) {
    return refusesFlush(error) ? "refused" : { fault: reason(error) };
  }
}

function flush(path: string, flags: number): void {
  const fd = openSync(path, flags);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function faultOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

function can(work: () => void): boolean {
  return faultOf(work) === undefined;
}

const SECOND = 1_000_000_000n;

/** From the times of a few files: one may be round by chance. */
function tickOf(directory: string): number {
  const times = Array.from({ length: 4 }, (_, nth) => {
    const path = join(directory, `time-${nth}`);
    writeFileSync(path, "");
    Bun.sleepSync(7);
    return statSync(path, { bigint: true }).mtimeNs;
  });
  let tick = 2n * SECOND;
  if (times.some((time) => time % tick !== 0n)) tick = SECOND;
  while (tick > 1n && times.some((time) => time % tick !== 0n)) tick /= 10n;
  return Number(tick);
}
