import { existsSync } from "node:fs";

/** Whether a directory is there, or a link to one. Whatever is in the way of a look means no. */
export function isDirectory(path: string): boolean {
  return existsSync(`${path}/.`);
}
