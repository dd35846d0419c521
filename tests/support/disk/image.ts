/**
 * A file system in memory, as one list of operations made it. The FUSE server keeps one that follows what programs do; the crash model makes others from a part of
 * the same list. Inodes are never given twice. Names are UTF-8.
 */
export type Operation =
  | { op: "create"; ino: number; dir: number; name: string; kind: Kind; mode: number; target?: string }
  | { op: "link"; ino: number; dir: number; name: string }
  | { op: "unlink"; ino: number; dir: number; name: string }
  | { op: "rename"; ino: number; dir: number; name: string; toDir: number; toName: string }
  | { op: "write"; ino: number; offset: number; bytes: Buffer }
  | { op: "truncate"; ino: number; size: number }
  | { op: "mode"; ino: number; mode: number }
  | { op: "times"; ino: number; mtime: bigint }
  /** Flushed: a file's bytes, a directory's names. */
  | { op: "sync"; ino: number }
  /** A flush failed: what waited for it is never written, and the next flush says nothing of it. */
  | { op: "lost"; ino: number }
  /** Something outside was told, such as the end of a command. */
  | { op: "mark"; words: string };

export type Kind = "file" | "directory" | "link";

export interface Inode {
  readonly ino: number;
  readonly kind: Kind;
  mode: number;
  /** Room for more than `size`; what lies beyond is zero. */
  data: Buffer;
  size: number;
  target: string;
  entries: Map<string, number>;
  /** By directory and name. */
  names: Map<string, { dir: number; name: string }>;
  /** Nanoseconds since 1970. */
  mtime: bigint;
  ctime: bigint;
}

export const ROOT = 1;
const NOTHING = Buffer.alloc(0);

export class Image {
  readonly inodes = new Map<number, Inode>();
  readonly #now: () => bigint;

  constructor(now: () => bigint = () => 0n) {
    this.#now = now;
    this.#add(ROOT, "directory", 0o755, "");
  }

  get(ino: number): Inode | undefined {
    return this.inodes.get(ino);
  }

  /** The inode that a name leads to. */
  lookup(dir: number, name: string): Inode | undefined {
    return this.inodes.get(this.inodes.get(dir)?.entries.get(name) ?? 0);
  }

  /** One of its paths, from the root and without a slash in front. Undefined where it has no name. */
  path(ino: number): string | undefined {
    if (ino === ROOT) return "";
    for (const { dir, name } of this.inodes.get(ino)?.names.values() ?? []) {
      const above = this.path(dir);
      if (above !== undefined) return above === "" ? name : `${above}/${name}`;
    }
    return undefined;
  }

  /** Follows an operation. One on an inode that was never made here changes nothing: what led to it was lost. */
  apply(operation: Operation): void {
    const now = this.#now();
    switch (operation.op) {
      case "create":
        if (!this.inodes.has(operation.ino)) this.make(operation);
        return this.#name(operation.ino, operation.dir, operation.name, now);
      case "link":
        return this.#name(operation.ino, operation.dir, operation.name, now);
      case "unlink":
        return this.#unname(operation.dir, operation.name, now);
      case "rename":
        if (this.lookup(operation.dir, operation.name)?.ino === operation.ino) this.#unname(operation.dir, operation.name, now);
        return this.#name(operation.ino, operation.toDir, operation.toName, now);
      case "write":
        return this.#write(operation.ino, operation.offset, operation.bytes, now);
      case "truncate":
        return this.#truncate(operation.ino, operation.size, now);
      case "mode":
      case "times": {
        const inode = this.inodes.get(operation.ino);
        if (!inode) return;
        if (operation.op === "mode") inode.mode = operation.mode;
        else inode.mtime = operation.mtime;
        inode.ctime = now;
        return;
      }
      default:
        return;
    }
  }

  /** The inode alone: what it is called comes with `apply`, or never. */
  make({ ino, kind, mode, target }: Operation & { op: "create" }): void {
    this.#add(ino, kind, mode, target ?? "");
  }

  #add(ino: number, kind: Kind, mode: number, target: string): void {
    const now = this.#now();
    const inode = { ino, kind, mode, target, data: NOTHING, size: 0, entries: new Map(), names: new Map(), mtime: now, ctime: now };
    this.inodes.set(ino, inode);
  }

  #name(ino: number, dir: number, name: string, now: bigint): void {
    const inode = this.inodes.get(ino);
    const directory = this.inodes.get(dir);
    if (!inode || !directory) return;
    this.#unname(dir, name, now);
    directory.entries.set(name, ino);
    directory.mtime = directory.ctime = inode.ctime = now;
    inode.names.set(`${dir}/${name}`, { dir, name });
  }

  #unname(dir: number, name: string, now: bigint): void {
    const directory = this.inodes.get(dir);
    const inode = this.lookup(dir, name);
    if (!directory || !inode) return;
    directory.entries.delete(name);
    inode.names.delete(`${dir}/${name}`);
    directory.mtime = directory.ctime = inode.ctime = now;
  }

  #write(ino: number, offset: number, bytes: Buffer, now: bigint): void {
    const inode = this.inodes.get(ino);
    if (!inode) return;
    const end = offset + bytes.length;
    if (end > inode.data.length) {
      const larger = Buffer.alloc(Math.max(end, 2 * inode.data.length));
      inode.data.copy(larger, 0, 0, inode.size);
      inode.data = larger;
    }
    bytes.copy(inode.data, offset);
    inode.size = Math.max(inode.size, end);
    inode.mtime = inode.ctime = now;
  }

  #truncate(ino: number, size: number, now: bigint): void {
    const inode = this.inodes.get(ino);
    if (!inode) return;
    if (size > inode.data.length) this.#write(ino, inode.size, Buffer.alloc(size - inode.size), now);
    inode.data.fill(0, Math.min(size, inode.size), inode.data.length);
    inode.size = size;
    inode.mtime = inode.ctime = now;
  }
}
