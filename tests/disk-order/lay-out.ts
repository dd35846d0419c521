import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../support/disk/image.ts";
import type { Image, Inode } from "../support/disk/image.ts";
import { removeTree } from "../support/temporary-root.ts";

/** What can be reached from the root of a disk, by path. */
function* reachable(image: Image): Generator<{ path: string; inode: Inode }> {
  const waiting: { path: string; ino: number }[] = [{ path: "", ino: ROOT }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const inode = image.get(next.ino);
    // SQLite makes that one anew when the first process opens the database
    if (!inode || next.path.endsWith("-shm")) continue;
    if (next.path !== "") yield { path: next.path, inode };
    for (const [name, ino] of inode.entries) waiting.push({ path: next.path === "" ? name : `${next.path}/${name}`, ino });
  }
}

/** Two disks with the same fingerprint hold the same. */
export function fingerprint(image: Image): string {
  const lines = [...reachable(image)].map(
    ({ path, inode: { kind, mode, target, data, size } }) =>
      `${path} ${kind} ${mode} ${target} ${size} ${Bun.hash(data.subarray(0, size))}`,
  );
  return String(Bun.hash(lines.sort().join("\n")));
}

/** `using disk = layOut(image)`: a directory with what the disk holds. */
export function layOut(image: Image): Disposable & { path: string } {
  // no test of speed, and no reason to wait for a real disk hundreds of times
  const place = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const root = realpathSync(mkdtempSync(join(place, "coffer-disk-")));
  const files = new Map<Inode, string>();
  for (const { path, inode } of reachable(image)) {
    const target = join(root, path);
    if (inode.kind === "directory") mkdirSync(target);
    else if (inode.kind === "link") symlinkSync(inode.target, target);
    else if (files.has(inode)) linkSync(files.get(inode) as string, target);
    else {
      files.set(inode, target);
      writeFileSync(target, inode.data.subarray(0, inode.size));
      chmodSync(target, inode.mode);
    }
  }
  return { path: root, [Symbol.dispose]: () => removeTree(root) };
}
