import { linkSync, renameSync } from "node:fs";
import { basename } from "node:path";
import { makeDirectory, syncDirectory } from "../../blobs/durable.ts";
import { errno } from "../../domain/error.ts";
import type { Store } from "../store.ts";

/**
 * Gives what lies at a path a second name below `damaged/`, so that nothing is lost when a good copy takes its place; where there can be no second name (a directory,
 * a file system without links), its only one. Durable. Returns the new path; undefined where nothing lies there.
 */
export function setAside(store: Store, path: string): string | undefined {
  const directory = store.path("damaged");
  makeDirectory(directory);
  const to = store.path("damaged", `${Bun.randomUUIDv7().slice(-12)}-${basename(path).slice(-200)}`);
  try {
    linkSync(path, to);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    try {
      renameSync(path, to);
    } catch (again) {
      if (isAbsent(again)) return undefined;
      throw again;
    }
  }
  syncDirectory(directory);
  return to;
}

function isAbsent(error: unknown): boolean {
  return errno(error) === "ENOENT" || errno(error) === "ENOTDIR";
}
