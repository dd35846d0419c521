import { realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { CofferError, errno } from "../domain/error.ts";

/** @throws CofferError PROTECTED where a place, links followed, is one of these directories or lies in it */
export function refuseInside(directories: readonly string[], target: string, hint: string): void {
  const place = existing(target);
  const inside = directories.map(existing).find((directory) => place === directory || place.startsWith(directory + sep));
  if (inside !== undefined) throw new CofferError("PROTECTED", `${target} lies inside ${inside}`, { hint });
}

/** With links followed as far as the path exists. */
function existing(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(errno(error) ?? "") || dirname(path) === path) throw error;
    return join(existing(dirname(path)), basename(path));
  }
}
