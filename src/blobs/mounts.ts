import { realpathSync } from "node:fs";
import { mountTable } from "../domain/mount-table.ts";

/**
 * What is mounted below a directory, by path within. A bind mount of the same file system has the device of what is around it: only this list tells. Where there
 * is no such list (not on Linux), none are known, and devices have to tell.
 */
export function mountsBelow(directory: string): Set<string> {
  let root: string;
  try {
    root = `${realpathSync(directory)}/`;
  } catch {
    return new Set();
  }
  const points = mountTable().map(({ point }) => point);
  return new Set(points.filter((point) => point.startsWith(root)).map((point) => point.slice(root.length)));
}
