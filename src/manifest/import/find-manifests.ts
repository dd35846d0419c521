import { existsSync, lstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import type { Dirent } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CofferError, reason } from "../../domain/error.ts";

/** A manifest's file, and the top of the tree that its bytes may lie in. */
export interface FoundManifest {
  path: string;
  /** Real and absolute: nothing outside of it is taken. */
  root: string;
}

/** `runs/<date>_<dataset>/<pipeline>/manifest.yaml`, and some room. */
const MAX_DEPTH = 8;

/**
 * The manifests that a path means: a file; or a manifest tree, a directory with `runs/**\/manifest.yaml` (in the layout before, `pipelines/**`). Links are not followed.
 * @throws CofferError NOT_FOUND, UNREADABLE
 */
export function findManifests(given: string): FoundManifest[] {
  const stat = statSync(given, { throwIfNoEntry: false });
  if (!stat)
    throw new CofferError("NOT_FOUND", `there is nothing at ${given}`, { hint: "name a manifest, or a directory with runs/ in it" });
  if (!stat.isDirectory()) return [{ path: given, root: rootOf(resolve(given)) }];
  const below = ["runs", "pipelines"].map((name) => join(given, name)).filter((path) => existsSync(path));
  const files = below.length > 0 ? below.flatMap((directory) => [...manifestsBelow(directory, 0)]) : [...manifestsBelow(given, MAX_DEPTH)];
  if (files.length === 0)
    throw new CofferError("NOT_FOUND", `${given} has no manifest.yaml, neither in runs/ nor itself`, {
      hint: "name the manifest, or the directory that has runs/ in it",
    });
  const root = below.length > 0 ? realpathSync(given) : rootOf(resolve(given, "manifest.yaml"));
  return files.map((path) => ({ path, root }));
}

function* manifestsBelow(directory: string, depth: number): Generator<string> {
  const entries = list(directory);
  if (entries.some((entry) => entry.name === "manifest.yaml" && entry.isFile())) yield join(directory, "manifest.yaml");
  if (depth >= MAX_DEPTH) return;
  for (const entry of entries) if (entry.isDirectory()) yield* manifestsBelow(join(directory, entry.name), depth + 1);
}

function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new CofferError("UNREADABLE", `${directory} cannot be listed: ${reason(error)}`, {
      hint: "check that you may read it; nothing was stored",
      cause: error,
    });
  }
}

/** The nearest directory above a manifest that has `binaries/`; else the manifest's own. */
function rootOf(manifest: string): string {
  const own = realpathSync(dirname(manifest));
  for (let directory = own, up = 0; up < 5; directory = dirname(directory), up++)
    if (lstatSync(join(directory, "binaries"), { throwIfNoEntry: false })?.isDirectory()) return directory;
  return own;
}
