import { lstatSync, mkdirSync, readdirSync, realpathSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CofferError, errno, isFull, reason } from "../domain/error.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { whileUnfinished } from "../domain/unfinished.ts";
import { renameNoReplace } from "./durable.ts";
import { takeBeside } from "./place-beside.ts";

/**
 * Makes a file, or a directory, at a place where nothing is: `write` makes it beside, under a name that it is given, and then it gets its own. So nobody sees half
 * of it, nothing is ever replaced, and where anything fails, nothing is left. An empty directory gives way to another. Where `write` comes back with null, it
 * was given up.
 * @throws CofferError PROTECTED where something is there already; UNREADABLE where it cannot be written; whatever `write` throws that is no error of a file system
 */
export async function makeInNewPlace<T>(target: string, kind: "file" | "directory", write: (beside: string) => T | Promise<T>): Promise<T> {
  try {
    mkdirSync(dirname(target), { recursive: true });
    // first, so that what a killed call left goes although the place is taken by now
    using beside = takeBeside(target);
    refuseTaken(target, kind);
    const written = await whileUnfinished(
      () => beside[Symbol.dispose](),
      () => write(beside.path),
    );
    syncPoint("place.written");
    if (written !== null) (kind === "file" ? placeFile : placeDirectory)(beside.path, target);
    syncPoint("place.taken");
    return written;
  } catch (error) {
    // what a database says is for others to put into words
    if (error instanceof CofferError || !/^E[A-Z0-9]+$/.test(errno(error) ?? "")) throw error;
    throw new CofferError("UNREADABLE", `${target} could not be written: ${reason(error)}`, {
      hint: isFull(error) ? "make room on that disk, or name a place on another" : "name a place that you may write to",
      cause: error,
    });
  }
}

function refuseTaken(target: string, kind: "file" | "directory"): void {
  const stat = lstatSync(target, { throwIfNoEntry: false });
  if (!stat) return;
  if (kind === "file") throw taken(`${target} exists`);
  if (!stat.isDirectory()) throw taken(`${target} exists and is no directory`);
  if (readdirSync(target).length > 0) throw taken(`${target} is not empty`);
  // neither a mount nor the directory that somebody is in can be exchanged
  if (stat.dev !== statSync(dirname(target)).dev || realpathSync(target) === realpathSync(process.cwd()))
    throw new CofferError("PROTECTED", `${target} is in use, as a mount or as the directory that you are in, and would be replaced`, {
      hint: `name a directory inside it, such as ${join(target, "coffer")}`,
    });
}

function placeFile(beside: string, target: string): void {
  if (!renameNoReplace(beside, target)) throw taken(`${target} exists`);
}

function placeDirectory(beside: string, target: string): void {
  try {
    // an empty directory gives way; one that somebody has filled meanwhile does not, nor does a file
    renameSync(beside, target);
  } catch (error) {
    throw ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(errno(error) ?? "") ? taken(`${target} exists and is no empty directory`) : error;
  }
}

function taken(what: string): CofferError {
  return new CofferError("PROTECTED", what, { hint: "name another place, or move it away; coffer does not overwrite" });
}
