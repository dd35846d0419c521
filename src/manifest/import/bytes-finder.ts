import { lstatSync, realpathSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { CofferError, errno, reason } from "../../domain/error.ts";
import type { FoundManifest } from "./find-manifests.ts";

/** Where the bytes of an item lie. */
export interface FoundBytes {
  path: string;
  size: number;
  kind: "file" | "tree";
}

/** Finds bytes by a look at their names; no file is opened. */
export class BytesFinder {
  readonly #places: string[];
  readonly #own: string[];
  readonly #root: string;
  readonly #real = new Map<string, string | undefined>();

  /** In the order of trial: `binaries/<dataset>/`, beside the manifest, and the places that the schema before had. */
  constructor({ path, root }: FoundManifest, dataset: string) {
    const own = dirname(resolve(path));
    this.#root = root;
    const binaries = [join(root, "binaries", dataset), join(dirname(own), "_binaries"), join(root, "artifacts")];
    this.#places = [binaries[0] as string, own, ...binaries.slice(1), root];
    this.#own = [...binaries, own];
  }

  /** Where they should lie. */
  expected(path: string): string {
    return join(this.#places[0] as string, path);
  }

  /** @throws CofferError PATH_INVALID for what leads out of the tree by a link */
  find(path: string): FoundBytes | undefined {
    for (const place of this.#places) {
      const at = join(place, path);
      const stat = statOf(at);
      if (!stat || !(stat.isFile() || stat.isDirectory() || stat.isSymbolicLink())) continue;
      const parent = this.#realDirectory(dirname(at));
      if (parent === undefined) continue;
      const real = stat.isSymbolicLink() ? realPath(at) : join(parent, at.slice(dirname(at).length + 1));
      if (real === undefined) continue;
      if (!real.startsWith(`${this.#root}${sep}`))
        throw new CofferError("PATH_INVALID", `${at} leads out of ${this.#root}`, {
          hint: "a link that leads out is not followed: put the file itself there",
        });
      const target = stat.isSymbolicLink() ? statOf(real) : stat;
      if (target?.isFile() || target?.isDirectory()) return { path: real, size: target.size, kind: target.isFile() ? "file" : "tree" };
    }
    return undefined;
  }

  /** Whether it is what a manifest tree has for bytes: below one of its places for them, or the manifest's own directory. */
  isOwn({ path }: FoundBytes): boolean {
    return this.#own.some((place) => path.startsWith(`${this.#realDirectory(place) ?? place}${sep}`));
  }

  /** Asked once: ten thousand files lie in one directory. */
  #realDirectory(directory: string): string | undefined {
    if (!this.#real.has(directory)) this.#real.set(directory, realPath(directory));
    return this.#real.get(directory);
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errno(error) === "ENOTDIR" || errno(error) === "ENAMETOOLONG") return undefined;
    throw new CofferError("UNREADABLE", `${path} cannot be looked at: ${reason(error)}`, {
      hint: "check that you may enter its directory; nothing was stored",
      cause: error,
    });
  }
}

/** With links followed; undefined where it leads nowhere. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
