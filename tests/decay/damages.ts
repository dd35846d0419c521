import { appendFileSync, chmodSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOOSE } from "./subject.ts";
import type { Piece, Subject } from "./subject.ts";

/** A kind of damage: what it does, and which bytes are lost by it. */
export interface ByteDamage {
  hurt(subject: Subject): void;
  lost(subject: Subject): Piece[];
  /** What is damaged has the right bytes still, among others. */
  holds?: true;
}

const flip = (path: string, at: number): void => {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  write(path, bytes);
};

function write(path: string, bytes: Uint8Array | string): void {
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

const of = (piece: Piece, hurt: (path: string, subject: Subject) => void): ByteDamage => ({
  hurt: (subject) => hurt(subject.place(piece).path, subject),
  lost: () => [piece],
});
const packOf = (subject: Subject): string => subject.place("many list").path;
const cutAt = (path: string, at: number): void => (chmodSync(path, 0o644), truncateSync(path, at), chmodSync(path, 0o444));
const replaced = (path: string, by: () => void): void => (rmSync(path, { recursive: true }), by());
const MEMBER = "many 7";

/** Where the pack is cut: what ends behind that is lost. */
const cut = (where: (subject: Subject) => number): ByteDamage => ({
  hurt: (subject) => cutAt(packOf(subject), where(subject)),
  lost: (subject) => {
    const at = where(subject);
    return subject.packed().flatMap(({ piece, offset, size }) => (offset + size > at ? [piece] : []));
  },
});
const middle = (subject: Subject): { offset: number; size: number } => subject.packed()[20] as { offset: number; size: number };
const inPack = (at: (subject: Subject) => number, lost: Piece[] = []): ByteDamage => ({
  hurt: (subject) => flip(packOf(subject), at(subject)),
  lost: () => lost,
});

export const BYTE_DAMAGES: Record<string, ByteDamage> = {
  "a flipped byte in a file": of("model", (path) => flip(path, 100)),
  "a deleted file": of("model", (path) => rmSync(path)),
  "an emptied file": of("model", (path) => cutAt(path, 0)),
  "a file that is cut short": of("model", (path) => cutAt(path, 17)),
  "a file that has grown": { ...of("model", (path) => (chmodSync(path, 0o644), appendFileSync(path, "x"))), holds: true },
  "a file that is a directory now": of("model", (path) => replaced(path, () => mkdirSync(join(path, "inside"), { recursive: true }))),
  "a file that is a link to nothing": of("model", (path) => replaced(path, () => symlinkSync("/nowhere/at/all", path))),
  "a file that is a link to other bytes of its size": of(
    "model",
    (path, { root }) => (
      writeFileSync(root.at("other"), "y".repeat(readFileSync(path).length)),
      replaced(path, () => symlinkSync(root.at("other"), path))
    ),
  ),
  "another file of the same size": of("model", (path) => write(path, "z".repeat(readFileSync(path).length))),
  "another blob under its name": of("model", (path, { place }) => replaced(path, () => linkSync(place("few 1").path, path))),
  "a FIFO in its place": of("model", (path) => replaced(path, () => Bun.spawnSync(["mkfifo", path]))),
  "a deleted file of a directory": of("few 1", (path) => rmSync(path)),
  "a flipped byte in a file of a directory": of("few 1", (path) => flip(path, 0)),
  "a deleted list": of("few list", (path) => rmSync(path)),
  "a flipped byte in a list": of("few list", (path) => flip(path, 30)),
  "a list and a file of it": {
    hurt: ({ place }) => {
      for (const piece of ["few list", "few 1"] as const) rmSync(place(piece).path);
    },
    lost: () => ["few list", "few 1"],
  },
  "all files of the store": {
    hurt: ({ store }) => rmSync(store.path("binaries/default"), { recursive: true }),
    lost: (subject) => [...LOOSE, ...subject.packed().map(({ piece }) => piece)],
  },
  "a flipped byte in a member": inPack((subject) => subject.place(MEMBER).offset + 3, [MEMBER]),
  "a flipped byte in a packed list": inPack((subject) => subject.place("many list").offset + 40, ["many list"]),
  "a flipped byte in a member's name": inPack((subject) => subject.place(MEMBER).offset - 512 + 5),
  "a flipped byte in a member's size": inPack((subject) => subject.place(MEMBER).offset - 512 + 130),
  "a flipped byte in a checksum": inPack((subject) => subject.place(MEMBER).offset - 512 + 150),
  "a flipped byte between members": inPack(({ place }) => place(MEMBER).offset + place(MEMBER).size + 1),
  "a flipped byte at a pack's end": inPack((subject) => readFileSync(packOf(subject)).length - 5),
  "a pack that is cut in a member": cut((subject) => middle(subject).offset + Math.floor(middle(subject).size / 2)),
  "a pack that is cut between members": cut((subject) => middle(subject).offset - 512),
  "an emptied pack": cut(() => 0),
  "a pack without its end": cut((subject) => readFileSync(packOf(subject)).length - 1024),
  "a pack that has grown": {
    hurt: (subject) => appendFileSync((chmodSync(packOf(subject), 0o644), packOf(subject)), "more"),
    lost: () => [],
  },
  "a deleted pack": { hurt: (subject) => rmSync(packOf(subject)), lost: (subject) => subject.packed().map(({ piece }) => piece) },
  "a directory in a pack's place": {
    hurt: (subject) => {
      const path = packOf(subject);
      replaced(path, () => mkdirSync(path));
    },
    lost: (subject) => subject.packed().map(({ piece }) => piece),
  },
};
