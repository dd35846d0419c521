import { openSync, readSync, writeSync } from "node:fs";
import { dlopen, ptr } from "bun:ffi";
import type { Inode } from "./image.ts";

/** Numbers of the kernel's FUSE protocol (include/uapi/linux/fuse.h), as far as they are used here. */
export const OP = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  rename2: 45,
} as const;

const MAX_WRITE = 1 << 17;
const HEADER = 40;
const HOUR = 3600n;

/** One request of the kernel. */
export interface Call {
  opcode: number;
  unique: bigint;
  node: number;
  /** What follows the header; valid until the next request is read. */
  body: Buffer;
}

/** A mounted file system of which this process is the server. */
export class Connection {
  readonly #fd: number;
  readonly #request = Buffer.allocUnsafeSlow(MAX_WRITE + (1 << 16));

  /** `type` is what the table of mounts shows. */
  constructor(mountPoint: string, type: string) {
    this.#fd = openSync("/dev/fuse", "r+");
    const options = `fd=${this.#fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions`;
    const text = (words: string) => ptr(Buffer.from(`${words}\0`));
    if (libc().mount(text("disk"), text(mountPoint), text(type), 0n, text(options)) !== 0)
      throw new Error(`a FUSE file system cannot be mounted at ${mountPoint}`);
  }

  /** Waits for the next request; undefined once it is unmounted. */
  next(): Call | undefined {
    for (;;) {
      try {
        const length = readSync(this.#fd, this.#request);
        const read = this.#request;
        return {
          opcode: read.readUInt32LE(4),
          unique: read.readBigUInt64LE(8),
          node: Number(read.readBigUInt64LE(16)),
          body: read.subarray(HEADER, length),
        };
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENODEV") return undefined;
        // whoever asked was killed, or a signal came
        if (code !== "ENOENT" && code !== "EINTR" && code !== "EAGAIN") throw error;
      }
    }
  }

  answer(unique: bigint, body: Buffer | number = 0): void {
    const bytes = typeof body === "number" ? Buffer.alloc(16) : Buffer.concat([Buffer.alloc(16), body]);
    bytes.writeUInt32LE(bytes.length, 0);
    if (typeof body === "number") bytes.writeInt32LE(-body, 4);
    bytes.writeBigUInt64LE(unique, 8);
    try {
      writeSync(this.#fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** A server whose test was killed may not stay. */
export function dieWithParent(): void {
  const PR_SET_PDEATHSIG = 1;
  const SIGKILL = 9n;
  libc().prctl(PR_SET_PDEATHSIG, SIGKILL, 0n, 0n, 0n);
}

function libc() {
  return dlopen("libc.so.6", {
    mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  }).symbols;
}

export function initAnswer(): Buffer {
  const BIG_WRITES = 1 << 5;
  const MAX_PAGES = 1 << 22;
  const out = Buffer.alloc(64);
  out.writeUInt32LE(7, 0);
  out.writeUInt32LE(31, 4);
  out.writeUInt32LE(MAX_WRITE, 8);
  out.writeUInt32LE(BIG_WRITES | MAX_PAGES, 12);
  out.writeUInt16LE(16, 16);
  out.writeUInt16LE(12, 18);
  out.writeUInt32LE(MAX_WRITE, 20);
  out.writeUInt32LE(1, 24);
  out.writeUInt16LE(MAX_WRITE / 4096, 28);
  return out;
}

const TYPE = { file: 0o100000, directory: 0o040000, link: 0o120000 } as const;

function attributes(inode: Inode): Buffer {
  const out = Buffer.alloc(88);
  const size = inode.kind === "link" ? Buffer.byteLength(inode.target) : inode.size;
  out.writeBigUInt64LE(BigInt(inode.ino), 0);
  out.writeBigUInt64LE(BigInt(size), 8);
  out.writeBigUInt64LE(BigInt(Math.ceil(size / 512)), 16);
  for (const [index, time] of [inode.mtime, inode.mtime, inode.ctime].entries()) {
    out.writeBigUInt64LE(time / 1_000_000_000n, 24 + 8 * index);
    out.writeUInt32LE(Number(time % 1_000_000_000n), 48 + 4 * index);
  }
  out.writeUInt32LE(TYPE[inode.kind] | inode.mode, 60);
  out.writeUInt32LE(inode.kind === "directory" ? 2 : inode.names.size, 64);
  out.writeUInt32LE(4096, 80);
  return out;
}

/** Names stay as they are until the kernel itself changes them; times and sizes are asked for each time. */
export function entryAnswer(inode: Inode): Buffer {
  const out = Buffer.alloc(40);
  out.writeBigUInt64LE(BigInt(inode.ino), 0);
  out.writeBigUInt64LE(HOUR, 16);
  return Buffer.concat([out, attributes(inode)]);
}

export function attributesAnswer(inode: Inode): Buffer {
  return Buffer.concat([Buffer.alloc(16), attributes(inode)]);
}

/** `direct`: every read comes to us, and none is answered from the kernel's pages. `handle` comes back with each call on what was opened. */
export function openAnswer(direct: boolean, handle = 0): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt32LE(handle, 0);
  out.writeUInt32LE(direct ? 1 : 0, 8);
  return out;
}

export function writeAnswer(count: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(count, 0);
  return out;
}

export function statfsAnswer(): Buffer {
  const out = Buffer.alloc(80);
  for (const at of [0, 8, 16, 24, 32]) out.writeBigUInt64LE(1n << 20n, at);
  out.writeUInt32LE(4096, 40);
  out.writeUInt32LE(255, 44);
  out.writeUInt32LE(4096, 48);
  return out;
}

export interface Entry {
  ino: number;
  name: string;
  kind: Inode["kind"];
}

export function directoryAnswer(entries: readonly Entry[], from: number, room: number): Buffer {
  const parts: Buffer[] = [];
  let used = 0;
  for (let index = from; index < entries.length; index++) {
    const { ino, name, kind } = entries[index] as Entry;
    const bytes = Buffer.from(name);
    const part = Buffer.alloc((24 + bytes.length + 7) & ~7);
    if ((used += part.length) > room) break;
    part.writeBigUInt64LE(BigInt(ino), 0);
    part.writeBigUInt64LE(BigInt(index + 1), 8);
    part.writeUInt32LE(bytes.length, 16);
    part.writeUInt32LE(TYPE[kind] >> 12, 20);
    bytes.copy(part, 24);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
