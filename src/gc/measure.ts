import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { errno } from "../domain/error.ts";

export interface Measured {
  files: number;
  bytes: number;
  /** The file that was changed last, by its path within. */
  newest: { path: string; changed: number } | undefined;
}

/** How much lies below a path. Links are not followed; what vanishes meanwhile counts for nothing. */
export function measure(path: string): Measured {
  const found: Measured = { files: 0, bytes: 0, newest: undefined };
  visit(path, "", found);
  return found;
}

function visit(path: string, inner: string, found: Measured): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) {
    found.files++;
    found.bytes += stat.size;
    if (!found.newest || stat.mtimeMs > found.newest.changed) found.newest = { path: inner, changed: stat.mtimeMs };
    return;
  }
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "EACCES") return;
    throw error;
  }
  for (const name of names) visit(join(path, name), inner === "" ? name : `${inner}/${name}`, found);
}
