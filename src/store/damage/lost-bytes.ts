import type { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { blobFileName } from "../../blobs/file-name.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as damage from "../../db/bytes/damage.ts";
import { insertRow } from "../../db/copy/fresh-database.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import { formatDigest } from "../../domain/digest.ts";
import type { Digest } from "../../domain/digest.ts";
import { filePart } from "../../domain/names.ts";
import type { Stock, Unsound } from "../database/take-stock.ts";
import type { Damage } from "./damage.ts";

/** Bytes that a manifest or a directory's list names. */
export interface Named {
  digest: Digest;
  /** Undefined where nobody says: of a directory's list. */
  size: number | undefined;
  dataset: string;
  type: string;
  class: string | null;
  /** For the end of its file's name. */
  path: string;
}

/** Gives what is named its blob: what was found whole, what was found damaged, or a row whose bytes are missing, as the lost database had it. */
export class LostBytes {
  readonly damaged: Damage[] = [];
  readonly #db: Database;
  readonly #root: string;
  readonly #stock: Stock;
  readonly #now: number;

  constructor(db: Database, root: string, stock: Stock, now: number) {
    this.#db = db;
    this.#root = root;
    this.#stock = stock;
    this.#now = now;
  }

  /** seq of the blob. */
  blobOf(named: Named): number {
    return blobs.byDigest(this.#db, named.digest)?.seq ?? this.#damaged(named) ?? this.#missing(named);
  }

  /** What is damaged and nobody names: nobody can say what it was. */
  unnamed(): Damage[] {
    return [...this.#stock.unsound.values()].flat().map(({ path, what, detail, hex }) => ({ digest: `blake3:${hex}`, path, what, detail }));
  }

  #damaged(named: Named): number | undefined {
    const { digest } = named;
    const all = this.#stock.unsound.get(digest.hex.slice(0, 12)) ?? [];
    const nth = digest.algorithm === "blake3" ? all.findIndex(({ hex }) => digest.hex.startsWith(hex)) : -1;
    const [one] = nth === -1 ? [] : all.splice(nth, 1);
    return one && this.#insert(named, placeOf(one), one.member?.size ?? named.size ?? one.size, one.dataset, one);
  }

  #missing(named: Named): number {
    const { dataset } = named;
    const path = this.#freeName(named);
    return this.#insert(named, { place: "file", path, ...UNSEEN }, named.size ?? 0, dataset, {
      path,
      what: "missing",
      detail: "its bytes are neither in a file nor in a pack",
    });
  }

  #insert(
    { digest }: Named,
    place: ReturnType<typeof placeOf>,
    size: number,
    dataset: string,
    { path, what, detail }: Pick<Damage, "path" | "what" | "detail">,
  ): number {
    const bytes = Buffer.from(digest.hex, "hex");
    const key = digest.algorithm;
    const seq = insertRow(this.#db, "blobs", { [key]: bytes, size, state: "live", dataset, created_at: this.#now, ...place });
    damage.record(this.#db, { blob: seq, what, detail, found_at: this.#now });
    this.damaged.push({ digest: formatDigest(digest), path, what, detail });
    return seq;
  }

  /** Where its file would lie; nothing lies there. */
  #freeName({ dataset, digest, ...name }: Named): string {
    for (let digits = 12; ; digits += 4) {
      const path = `binaries/${filePart(dataset)}/${blobFileName({ ...name, hex: digest.hex }, digits)}`;
      if (!foreign.atPath(this.#db, path) && !existsSync(join(this.#root, path))) return path;
      if (digits > 64) return `${path}-${Bun.randomUUIDv7()}`;
    }
  }
}

/** Of a file that nobody has hashed: whoever reads it does. */
const UNSEEN = { mtime_ns: 0, ctime_ns: 0, inode: 0 } as const;

function placeOf({ path, member }: Unsound) {
  return member ? ({ place: "pack", pack: member.pack, offset: member.offset } as const) : ({ place: "file", path, ...UNSEEN } as const);
}
