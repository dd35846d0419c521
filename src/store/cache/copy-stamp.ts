import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Blake3 } from "../../blobs/blake3.ts";
import { errno } from "../../domain/error.ts";

/**
 * What tells whether anybody changed a copy since it was made: kind, mode, size, mtime, ctime and inode of each file and directory in it, and
 * their names. Undefined where there is none.
 */
export function copyStamp(blake3: Blake3, path: string): string | undefined {
  const lines: string[] = [];
  const visit = (at: string, name: string): void => {
    const { mode, size, mtimeNs, ctimeNs, ino } = lstatSync(at, { bigint: true });
    lines.push([mode, size, mtimeNs, ctimeNs, ino, JSON.stringify(name)].join(" "));
    // S_IFDIR
    if ((mode & 0o170000n) === 0o040000n)
      for (const inner of readdirSync(at).sort()) visit(join(at, inner), name === "" ? inner : `${name}/${inner}`);
  };
  try {
    visit(path, "");
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return undefined;
  }
  return Buffer.from(blake3.hash(Buffer.from(lines.join("\n")))).toString("hex");
}
