import { readFileSync, realpathSync } from "node:fs";

/**
 * What is mounted below a directory, by path within. A bind mount of the same file system has the device of what is around it: only this list tells. Where there
 * is no such list (not on Linux), none are known, and devices have to tell.
 */
export function mountsBelow(directory: string): Set<string> {
  let table: string;
  let root: string;
  try {
    root = `${realpathSync(directory)}/`;
    table = readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return new Set();
  }
  const points = table.split("\n").map((line) => unescaped(line.split(" ")[4] ?? ""));
  return new Set(points.filter((point) => point.startsWith(root)).map((point) => point.slice(root.length)));
}

/** Blanks and the like stand as octal numbers of their bytes. */
function unescaped(point: string): string {
  return point.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
