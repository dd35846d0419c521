import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Blake3 } from "../blobs/blake3.ts";
import { readPackHeaders } from "../blobs/pack-headers.ts";
import { visitFiles } from "../blobs/visit-files.ts";
import { CofferError, errno } from "../domain/error.ts";
import { bringFile, bringMember } from "./bring-copy.ts";
import type { Wanted } from "./bring-copy.ts";
import { digestPath } from "./digest-path.ts";
import { sha256OfFile } from "./sha256.ts";

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
  readonly #isOther: (path: string) => boolean;
  readonly #blake3: Blake3;
  #files: Map<number, string[]> | undefined;
  readonly #members = new Map<string, { path: string; offset: number }[]>();
  /** Hex digests of files, by algorithm and path; empty where it could not be read. */
  readonly #hashed = new Map<string, string>();

  /** `sizes`: of all that is looked for. `isOther`: what is known to be other bytes, by its path. */
  constructor(directory: string, sizes: ReadonlySet<number>, blake3: Blake3, isOther: (path: string) => boolean = () => false) {
    this.#directory = directory;
    this.#sizes = sizes;
    this.#blake3 = blake3;
    this.#isOther = isOther;
  }

  async *candidates(wanted: Wanted): AsyncGenerator<Candidate> {
    const files = (this.#files ??= this.#list());
    if (wanted.digest.algorithm === "blake3")
      for (const pack of this.#members.get(wanted.digest.hex) ?? [])
        yield { path: pack.path, bring: (to) => bringMember(pack, to, wanted, this.#blake3) };
    const short = wanted.digest.hex.slice(0, 12);
    const ofSize = files.get(wanted.size) ?? [];
    // names in the store tell of the digest
    for (const path of [...ofSize.filter((path) => path.includes(short)), ...ofSize.filter((path) => !path.includes(short))])
      if ((await this.#hash(path, wanted)) === wanted.digest.hex) yield { path, bring: (to) => bringFile(path, to, wanted, this.#blake3) };
  }

  #list(): Map<number, string[]> {
    const files = new Map<number, string[]>();
    visitFiles(this.#directory, (stat, inner) => {
      if (!stat.isFile()) return;
      const path = join(this.#directory, inner);
      if (this.#sizes.has(stat.size) && !this.#isOther(path)) add(files, stat.size, path);
      if (inner.endsWith(".tar")) this.#readPack(path, stat.size);
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

  async #hash(path: string, { digest: { algorithm } }: Wanted): Promise<string> {
    const key = `${algorithm} ${path}`;
    const before = this.#hashed.get(key);
    if (before !== undefined) return before;
    let hex = "";
    try {
      hex = algorithm === "blake3" ? (await digestPath(path)).hex : (await sha256OfFile(path)).toString("hex");
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
    }
    this.#hashed.set(key, hex);
    return hex;
  }
}

function add<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
