import { statSync } from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";
import { makeDirectory } from "../blobs/durable.ts";
import { REPLACE_DATABASE } from "../domain/damaged-database.ts";
import { CofferError, isFull, reason } from "../domain/error.ts";

/** What only a store has: without the database, its rows are lost. */
const STORED = ["binaries", "manifests"];
/** What coffer clears: in a directory of somebody else it would take their files. */
const CLEARED = ["tmp", "cache"];

/**
 * Makes the store's root where it is not there yet. A directory that is there becomes a store only where nothing in it would be taken for the store's; `work` and
 * `mlruns` may be there first, since a workspace root or an MLflow server may come before the store.
 * @throws CofferError STORE_UNUSABLE; NOT_FOUND where there is no root and `make` is false; STORE_DAMAGED where the database is lost; PROTECTED
 */
export function checkRoot(root: string, make: boolean): void {
  const stat = statOrNothing(root);
  if (stat?.isDirectory()) return checkContents(root, make);
  if (stat)
    throw new CofferError("STORE_UNUSABLE", `${root} is a file, not a store`, {
      hint: "name a directory with --root or COFFER_ROOT; nothing was changed",
    });
  if (!make)
    throw new CofferError("NOT_FOUND", `there is no store at ${root}`, {
      hint: "name another with --root, or keep something first with coffer run or coffer log",
    });
  try {
    makeDirectory(root);
  } catch (error) {
    throw new CofferError("STORE_UNUSABLE", `the store's root ${root} cannot be made: ${reason(error)}`, {
      hint: isFull(error)
        ? "make room on that disk, or name another with --root"
        : "name a directory that you can write with --root or COFFER_ROOT",
      cause: error,
    });
  }
}

function checkContents(root: string, make: boolean): void {
  if (isFilled(join(root, "coffer.db"))) return;
  const there = STORED.concat(CLEARED).filter((name) => statOrNothing(join(root, name)));
  // asked again: the database comes before all else, so whoever makes the store at this moment has it by now
  if (there.length === 0 || isFilled(join(root, "coffer.db"))) return;
  const lost = there.find((name) => STORED.includes(name));
  if (lost !== undefined)
    throw new CofferError("STORE_DAMAGED", `${root} has ${lost}/ and no coffer.db: its database is lost, or it is no store`, {
      hint: `${REPLACE_DATABASE}, or name an empty directory, such as ./artifacts, with --root or COFFER_ROOT; nothing was changed`,
    });
  if (make)
    throw new CofferError("PROTECTED", `${root} is no store, and has a ${there[0]}/ of its own, which a store would clear`, {
      hint: "name an empty directory, such as ./artifacts, with --root or COFFER_ROOT; nothing was changed",
    });
}

function isFilled(path: string): boolean {
  return (statOrNothing(path)?.size ?? 0) > 0;
}

/** undefined where there is nothing, or a part of the path is a file or may not be entered: then making it says what is wrong. */
function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
