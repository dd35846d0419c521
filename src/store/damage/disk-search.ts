import { closeSync, openSync, readSync } from "node:fs";
import { basename, join } from "node:path";
import type { Blake3 } from "../../blobs/blake3.ts";
import { readPackHeaders } from "../../blobs/pack-headers.ts";
import { visitFiles } from "../../blobs/visit-files.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError, errno } from "../../domain/error.ts";
import { bringFile, bringMember } from "./bring-copy.ts";
import type { Wanted } from "./bring-copy.ts";
import { digestPath } from "../digest-path.ts";
import { sha256OfFile } from "../sha256.ts";

/** So many digits of a digest are in the name of a file in the store, at least. */
const DIGITS = 12;

const BLOCK = 512;
/** A header, a member and the end. */
const PACK_FROM = 3 * BLOCK;

/** A place where the bytes may be. `bring`: false where they are not. */
export interface Candidate {
  path: string;
  bring(to: string): Promise<boolean>;
}

/**
 * What lies below a directory and may be bytes that are looked for: files of their sizes whatever their names, and what packs name. It is listed when it is first
 * asked, and each file is hashed once.
 */
export class DiskSearch {
  readonly #directory: string;
  readonly #sizes: ReadonlySet<number>;
  readonly #withSha256: boolean;
  readonly #isOther: (path: string) => boolean;
  readonly #blake3: Blake3;
  /** By size: files that nobody has hashed yet. */
  #files: Map<number, string[]> | undefined;
  /** By the first digits of a digest: files whose names have them. */
  readonly #named = new Map<string, string[]>();
  /** By digest. */
  readonly #members = new Map<string, { path: string; offset: number }[]>();
  readonly #hashed = new Map<string, string[]>();

  /** `all`: what is looked for. `isOther`: what is known to be other bytes, by its path. */
  constructor(directory: string, all: readonly Wanted[], blake3: Blake3, isOther: (path: string) => boolean = () => false) {
    this.#directory = directory;
    this.#sizes = new Set(all.map(({ size }) => size));
    this.#withSha256 = all.some(({ digest }) => digest.algorithm === "sha256");
    this.#blake3 = blake3;
    this.#isOther = isOther;
  }

  async *candidates(wanted: Wanted): AsyncGenerator<Candidate> {
    const files = (this.#files ??= this.#list());
    if (wanted.digest.algorithm === "blake3")
      for (const pack of this.#members.get(wanted.digest.hex) ?? [])
        yield { path: pack.path, bring: (to) => bringMember(pack, to, wanted, this.#blake3) };
    const file = (path: string): Candidate => ({ path, bring: (to) => bringFile(path, to, wanted, this.#blake3) });
    // names in the store tell of the digest
    for (const path of this.#named.get(wanted.digest.hex.slice(0, DIGITS)) ?? []) yield file(path);
    const key = formatDigest(wanted.digest);
    for (const path of this.#hashed.get(key) ?? []) yield file(path);
    const unread = files.get(wanted.size) ?? [];
    for (let path = unread.pop(); path !== undefined; path = unread.pop()) {
      const found = await this.#hash(path);
      for (const digest of found) add(this.#hashed, digest, path);
      if (found.includes(key)) yield file(path);
    }
  }

  #list(): Map<number, string[]> {
    const files = new Map<number, string[]>();
    visitFiles(this.#directory, (stat, inner) => {
      if (!stat.isFile()) return;
      const path = join(this.#directory, inner);
      if (this.#sizes.has(stat.size) && !this.#isOther(path)) {
        add(files, stat.size, path);
        for (const [digits] of basename(path).matchAll(/[0-9a-f]{12}/g)) add(this.#named, digits, path);
      }
      // whatever it is called: somebody may have renamed it
      if (inner.endsWith(".tar") || (stat.size > PACK_FROM && stat.size % BLOCK === 0 && beginsAsPack(path)))
        this.#readPack(path, stat.size);
    });
    return files;
  }

  #readPack(path: string, size: number): void {
    try {
      const fd = openSync(path, "r");
      try {
        for (const { name, offset, size: its } of readPackHeaders(fd, size, []).members)
          if (this.#sizes.has(its)) add(this.#members, name, { path, offset });
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (errno(error) === undefined) throw error;
    }
  }

  /** Its digests; none where it cannot be read. SHA-256 only where something is known by that alone. */
  async #hash(path: string): Promise<string[]> {
    try {
      const found = [`blake3:${(await digestPath(path)).hex}`];
      if (this.#withSha256) found.push(`sha256:${(await sha256OfFile(path)).toString("hex")}`);
      return found;
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
      return [];
    }
  }
}

/** The header of a first member that is called by a digest. */
function beginsAsPack(path: string): boolean {
  const block = Buffer.alloc(BLOCK);
  try {
    const fd = openSync(path, "r");
    try {
      return (
        readSync(fd, block) === BLOCK &&
        block.toString("latin1", 257, 262) === "ustar" &&
        /^[0-9a-f]{64}\0/.test(block.toString("latin1", 0, 65))
      );
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errno(error) === undefined) throw error;
    return false;
  }
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
