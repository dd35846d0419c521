import { ERRNO } from "./faults.ts";
import type { Faults, Request } from "./faults.ts";
import { Image, ROOT } from "./image.ts";
import type { Inode, Kind, Operation } from "./image.ts";
import { OP, attributesAnswer, directoryAnswer, entryAnswer, openAnswer, statfsAnswer, writeAnswer } from "./kernel.ts";
import type { Call, Entry } from "./kernel.ts";
import type { OperationLog } from "./operation-log.ts";

const ENOENT = 2;
const EEXIST = 17;
const ENOTDIR = 20;
const EINVAL = 22;
const EISDIR = 21;
const ENOSYS = 38;
const ENOTEMPTY = 39;

/** An answer of the kernel's error numbers. */
class Refusal extends Error {
  readonly number: number;
  constructor(number: number) {
    super(`errno ${number}`);
    this.number = number;
  }
}

/** Answers the calls of the kernel from an image in memory, logs what changes it, and fails where it is told to. */
export class FileSystem {
  readonly #image = new Image(() => BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n));
  readonly #faults: Faults;
  readonly #log: OperationLog;
  /** 2 is the file by which the server is steered. */
  #last = 2;
  readonly #listings = new Map<number, Entry[]>();
  #lastListing = 0;

  constructor(faults: Faults, log: OperationLog) {
    this.#faults = faults;
    this.#log = log;
  }

  /** What the call is answered with: bytes, or the number of an error (0: done). */
  serve(call: Call): Buffer | number {
    try {
      return this.#serve(call);
    } catch (error) {
      if (error instanceof Refusal) return error.number;
      throw error;
    }
  }

  #serve({ opcode, node, body }: Call): Buffer | number {
    switch (opcode) {
      case OP.lookup:
        return entryAnswer(this.#entry(node, text(body, 0)));
      case OP.getattr:
        return attributesAnswer(this.#inode(node));
      case OP.setattr:
        return this.#setAttributes(node, body);
      case OP.readlink:
        return Buffer.from(this.#inode(node).target);
      case OP.symlink:
        return this.#create(node, text(body, 0), "link", 0o777, text(body, 1));
      case OP.mknod:
        return this.#create(node, text(body.subarray(16), 0), "file", body.readUInt32LE(0) & 0o7777);
      case OP.mkdir:
        return this.#create(node, text(body.subarray(8), 0), "directory", body.readUInt32LE(0) & 0o7777);
      case OP.create: {
        const entry = this.#create(node, text(body.subarray(16), 0), "file", body.readUInt32LE(4) & 0o7777);
        return Buffer.concat([entry, openAnswer(false)]);
      }
      case OP.unlink:
      case OP.rmdir:
        return this.#unlink(node, text(body, 0), opcode === OP.rmdir);
      case OP.rename:
        return this.#rename(node, Number(body.readBigUInt64LE(0)), body.subarray(8), 0);
      case OP.rename2:
        return this.#rename(node, Number(body.readBigUInt64LE(0)), body.subarray(16), body.readUInt32LE(8));
      case OP.link:
        return this.#link(Number(body.readBigUInt64LE(0)), node, text(body.subarray(8), 0));
      case OP.open:
        this.#check("open", node);
        return openAnswer(this.#faults.touchesReads(this.#path(node)));
      case OP.read:
        return this.#read(node, Number(body.readBigUInt64LE(8)), body.readUInt32LE(16));
      case OP.write: {
        const size = body.readUInt32LE(16);
        this.#check("write", node);
        this.#do({ op: "write", ino: node, offset: Number(body.readBigUInt64LE(8)), bytes: Buffer.from(body.subarray(40, 40 + size)) });
        return writeAnswer(size);
      }
      case OP.fsync:
      case OP.fsyncdir:
        return this.#sync(node);
      case OP.opendir:
        return this.#openDirectory(node);
      case OP.readdir:
        return directoryAnswer(this.#listings.get(body.readUInt32LE(0)) ?? [], Number(body.readBigUInt64LE(8)), body.readUInt32LE(16));
      case OP.releasedir:
        this.#listings.delete(body.readUInt32LE(0));
        return 0;
      case OP.statfs:
        return statfsAnswer();
      case OP.release:
      case OP.flush:
      case OP.destroy:
        return 0;
      default:
        // attributes of other kinds, locks, copies in the kernel: it does without
        return ENOSYS;
    }
  }

  #create(dir: number, name: string, kind: Kind, mode: number, target?: string): Buffer {
    this.#fail(kind === "directory" ? "mkdir" : "create", this.#path(dir, name));
    if (this.#image.lookup(dir, name)) throw new Refusal(EEXIST);
    const ino = ++this.#last;
    this.#do({ op: "create", ino, dir, name, kind, mode, ...(target !== undefined && { target }) });
    return entryAnswer(this.#inode(ino));
  }

  #link(ino: number, dir: number, name: string): Buffer {
    this.#fail("link", this.#path(dir, name));
    if (this.#image.lookup(dir, name)) throw new Refusal(EEXIST);
    this.#do({ op: "link", ino, dir, name });
    return entryAnswer(this.#inode(ino));
  }

  #unlink(dir: number, name: string, directory: boolean): number {
    this.#fail("unlink", this.#path(dir, name));
    const inode = this.#entry(dir, name);
    if (directory !== (inode.kind === "directory")) throw new Refusal(directory ? ENOTDIR : EISDIR);
    if (inode.entries.size > 0) throw new Refusal(ENOTEMPTY);
    this.#do({ op: "unlink", ino: inode.ino, dir, name });
    return 0;
  }

  #rename(dir: number, toDir: number, names: Buffer, flags: number): number {
    const NO_REPLACE = 1;
    const [name, toName] = [text(names, 0), text(names, 1)];
    this.#fail("rename", this.#path(dir, name));
    this.#fail("rename", this.#path(toDir, toName));
    const inode = this.#entry(dir, name);
    const there = this.#image.lookup(toDir, toName);
    if (flags > NO_REPLACE) throw new Refusal(EINVAL);
    if (there && flags === NO_REPLACE) throw new Refusal(EEXIST);
    if (there === inode) return 0;
    if (there && there.entries.size > 0) throw new Refusal(ENOTEMPTY);
    if (there && inode.kind === "directory" && there.kind !== "directory") throw new Refusal(ENOTDIR);
    if (there && inode.kind !== "directory" && there.kind === "directory") throw new Refusal(EISDIR);
    this.#do({ op: "rename", ino: inode.ino, dir, name, toDir, toName });
    return 0;
  }

  #read(node: number, offset: number, size: number): Buffer {
    const { data, size: whole } = this.#inode(node);
    const bytes = Buffer.from(data.subarray(offset, Math.max(offset, Math.min(offset + size, whole))));
    const how = this.#faults.of("read", this.#path(node));
    if (how === "short") return bytes.subarray(0, (bytes.length + 1) >> 1);
    // each byte: of what is read at once, some may be of no use
    if (how === "flip") for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] as number) ^ 1;
    else if (how !== undefined) throw new Refusal(ERRNO[how]);
    return bytes;
  }

  #sync(node: number): number {
    const how = this.#faults.of("sync", this.#path(node));
    this.#do({ op: how === undefined ? "sync" : "lost", ino: node });
    return how === undefined ? 0 : ERRNO[how as keyof typeof ERRNO];
  }

  #setAttributes(node: number, body: Buffer): Buffer {
    const valid = body.readUInt32LE(0);
    const has = (bit: number) => (valid & (1 << bit)) !== 0;
    const [MODE, SIZE, MTIME, NOW] = [0, 3, 5, 8];
    if (has(SIZE)) {
      this.#check("truncate", node);
      this.#do({ op: "truncate", ino: node, size: Number(body.readBigUInt64LE(16)) });
    }
    if (has(MODE)) {
      this.#check("mode", node);
      this.#do({ op: "mode", ino: node, mode: body.readUInt32LE(68) & 0o7777 });
    }
    if (has(MTIME) && !has(NOW))
      this.#do({ op: "times", ino: node, mtime: body.readBigUInt64LE(40) * 1_000_000_000n + BigInt(body.readUInt32LE(60)) });
    return attributesAnswer(this.#inode(node));
  }

  /** What is removed while somebody lists a directory moves nothing that comes later: the list is of one moment. */
  #openDirectory(node: number): Buffer {
    this.#check("list", node);
    const entries = [...this.#inode(node).entries].map(([name, ino]) => ({ ino, name, kind: this.#inode(ino).kind }));
    this.#listings.set(++this.#lastListing, entries);
    return openAnswer(false, this.#lastListing);
  }

  #do(operation: Operation): void {
    const path = operation.op === "unlink" || operation.op === "rename" ? this.#path(operation.dir, operation.name) : undefined;
    this.#image.apply(operation);
    this.#log.add({ ...operation, path: path ?? (operation.op === "mark" ? "" : this.#path(operation.ino)) });
  }

  #check(request: Request, node: number): void {
    this.#fail(request, this.#path(node));
  }

  #fail(request: Request, path: string): void {
    const how = this.#faults.of(request, path);
    if (how !== undefined) throw new Refusal(ERRNO[how as keyof typeof ERRNO]);
  }

  #inode(ino: number): Inode {
    const inode = this.#image.get(ino);
    if (!inode) throw new Refusal(ENOENT);
    return inode;
  }

  #entry(dir: number, name: string): Inode {
    const inode = this.#image.lookup(dir, name);
    if (!inode) throw new Refusal(ENOENT);
    return inode;
  }

  /** Of a node, or of a name in it. */
  #path(node: number, name?: string): string {
    const path = this.#image.path(node) ?? "(unlinked)";
    return name === undefined ? path : node === ROOT ? name : `${path}/${name}`;
  }
}

/** The `index`-th of several texts that end in NUL. */
function text(body: Buffer, index: number): string {
  let from = 0;
  for (let at = 0; at < index; at++) from = body.indexOf(0, from) + 1;
  return body.toString("utf8", from, body.indexOf(0, from));
}
