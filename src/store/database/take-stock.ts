import { closeSync, fstatSync, lstatSync, readSync } from "node:fs";
import type { BigIntStats } from "node:fs";
import { join } from "node:path";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import { loadBlake3 } from "../../blobs/blake3.ts";
import type { Blake3 } from "../../blobs/blake3.ts";
import { hashFile, openRegular } from "../../blobs/copy.ts";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { packMembers } from "../../blobs/read-pack.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { Database } from "bun:sqlite";
import * as packs from "../../db/bytes/packs.ts";
import { reason } from "../../domain/error.ts";
import { stampOf } from "../bytes/stamp.ts";

/** Bytes that are not what their name says, or cannot be read. */
export interface Unsound {
  /** Under the store's root. */
  path: string;
  what: "changed" | "short" | "unreadable";
  detail: string;
  dataset: string;
  /** As much of the digest as the name has. */
  hex: string;
  /** As it is. */
  size: number;
  /** null: a file of its own. */
  member: { pack: number; offset: number; size: number } | null;
}

export interface Stock {
  files: number;
  packs: number;
  packed: number;
  bytes: number;
  /** Files below `binaries/` that are no blobs: they stay as they are. */
  others: number;
  /** The same bytes once more: those that were found first have the row. */
  twice: number;
  /** By the first 12 digits; whoever knows the whole digest says what they should be. */
  unsound: Map<string, Unsound[]>;
  /** What is wrong with packs as such, in words. */
  notes: string[];
}

export interface StockTaking {
  db: Database;
  root: string;
  progress?: ((bytes: number) => void) | undefined;
  /** Throws where it is to stop. */
  check: () => void;
}

const BLOB_NAME = /_([0-9a-f]{12,64})(?:\.tar\.[A-Za-z0-9]{1,4}|\.[A-Za-z0-9_-]{1,16})?$/;
const PACK_NAME = /^binaries\/[^/]+\/packs\/([^/]+)\.tar$/;
/** Up to here a file is read at once. */
const SMALL = 1 << 20;
const PER_TURN = 64;
const AT_ONCE = 1000;

/** Reads all that lies below `binaries/`, and writes a row for every blob whose bytes are what their name says. No row is there before. */
export async function takeStock(taking: StockTaking): Promise<Stock> {
  const stock: Stock = { files: 0, packs: 0, packed: 0, bytes: 0, others: 0, twice: 0, unsound: new Map(), notes: [] };
  const blake3 = await loadBlake3();
  const reader = new FileReader(blake3);
  let turn = 0;
  for (const path of filesBelow(taking.root, "binaries")) {
    if (++turn % PER_TURN === 0) {
      taking.check();
      await yieldToSignals();
    }
    const pack = PACK_NAME.exec(path)?.[1];
    if (pack !== undefined) await takePack(taking, stock, blake3, path, pack);
    else if (BLOB_NAME.test(path) && path.split("/").length > 2) await takeFile(taking, stock, reader, path);
    else stock.others++;
  }
  return stock;
}

/** Regular files, in the order of their names. Links are not followed, and other stores not entered. */
function* filesBelow(root: string, directory: string): Generator<string> {
  const names = listOrNothing(join(root, directory), ["ENOENT", "ENOTDIR"]).sort();
  if (names.includes("coffer.db")) return;
  for (const name of names) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(join(root, path), { throwIfNoEntry: false });
    if (stat?.isDirectory()) yield* filesBelow(root, path);
    else if (stat?.isFile()) yield path;
  }
}

async function takeFile({ db, root, progress, check }: StockTaking, stock: Stock, reader: FileReader, path: string): Promise<void> {
  const dataset = path.split("/")[1] as string;
  const hex = BLOB_NAME.exec(path)?.[1] as string;
  const unsound = (what: Unsound["what"], detail: string): void =>
    add(stock, { path, what, detail, dataset, hex, size: sizeOf(join(root, path)), member: null });
  try {
    const { digest, stat } = await reader.read(join(root, path), check);
    if (!digest.toString("hex").startsWith(hex)) return unsound("changed", "its bytes are not those of its name");
    if (blobs.known(db, digest)) {
      stock.twice++;
      return;
    }
    const size = Number(stat.size);
    blobs.insertFile(db, { blake3: digest, size, dataset, path, created_at: Math.floor(Number(stat.ctimeMs)), ...stampOf(stat) });
    stock.files++;
    stock.bytes += size;
    progress?.(stock.bytes);
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    unsound("unreadable", reason(error));
  }
}

class FileReader {
  readonly #blake3: Blake3;
  readonly #room = Buffer.allocUnsafe(SMALL + 1);

  constructor(blake3: Blake3) {
    this.#blake3 = blake3;
  }

  async read(path: string, check: () => void): Promise<{ digest: Buffer; stat: BigIntStats }> {
    const { fd, stat } = openRegular(path);
    try {
      if (stat.size <= SMALL) {
        const size = Number(stat.size);
        if (readSync(fd, this.#room, 0, size + 1, 0) === size) return { digest: this.#blake3.hash(this.#room.subarray(0, size)), stat };
      }
      const hasher = this.#blake3.hasher();
      await hashFile(fd, {
        ...hasher,
        update(bytes) {
          check();
          hasher.update(bytes);
        },
      });
      return { digest: hasher.digest(), stat };
    } finally {
      closeSync(fd);
    }
  }
}

async function takePack(taking: StockTaking, stock: Stock, blake3: Blake3, path: string, id: string): Promise<void> {
  const { db, root, progress, check } = taking;
  const dataset = path.split("/")[1] as string;
  let fd: number;
  try {
    fd = openRegular(join(root, path)).fd;
  } catch (error) {
    stock.notes.push(`${path} cannot be read: ${reason(error)}`);
    return;
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    const created_at = bornAt(id) ?? Math.floor(Number(stat.ctimeMs));
    const pack = packs.insert(db, { id, path, dataset, size: Number(stat.size), created_at, ...stampOf(stat) });
    stock.packs++;
    const outcome = { lost: 0, isEnded: false };
    const batch = new Map<string, { blake3: Uint8Array; size: number; offset: number }>();
    const flush = (): void => {
      blobs.insertPacked(db, [...batch.values()], { dataset, pack, created_at });
      stock.packed += batch.size;
      batch.clear();
    };
    for (const { hex, size, offset, bytes } of packMembers(fd, outcome)) {
      const digest = Buffer.from(hex, "hex");
      const member = { pack, offset, size };
      if (!bytes) add(stock, { path, what: "short", detail: "the pack is cut short", dataset, hex, size, member });
      else if (!blake3.hash(bytes).equals(digest))
        add(stock, { path, what: "changed", detail: "its bytes are not those of its digest", dataset, hex, size, member });
      else if (batch.has(hex) || blobs.known(db, digest)) stock.twice++;
      else {
        batch.set(hex, { blake3: digest, size, offset });
        stock.bytes += size;
        if (batch.size < AT_ONCE) continue;
        flush();
        progress?.(stock.bytes);
        check();
        await yieldToSignals();
      }
    }
    flush();
    if (outcome.lost > 0) stock.notes.push(`${path}: the headers of members are damaged at ${outcome.lost} places`);
    else if (!outcome.isEnded) stock.notes.push(`${path} is cut short`);
  } finally {
    closeSync(fd);
  }
}

function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function add(stock: Stock, one: Unsound): void {
  const key = one.hex.slice(0, 12);
  const there = stock.unsound.get(key);
  if (there) there.push(one);
  else stock.unsound.set(key, [one]);
}

/** The moment that a UUIDv7 was made at. */
export function bornAt(id: string): number | undefined {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.exec(id);
  return found ? parseInt(`${found[1]}${found[2]}`, 16) : undefined;
}
