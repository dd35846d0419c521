import { lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesBelow } from "./files-below.ts";

/** What a file or directory holds, by number: below POOL_SIZE what all processes keep again and again, from there on what only one of them has. */
export interface Contents {
  /** A file or directory with these bytes, made when it is first asked for. */
  path(content: number): string;
  /** What differs between a path and the bytes that it should have; undefined: nothing. */
  difference(content: number, path: string): string | undefined;
  isTree(content: number): boolean;
  /** Names of the bytes of each of its files, the same for the same bytes, and one for the list of a directory. */
  blobs(content: number): string[];
}

export const POOL_SIZE = 14;

interface Piece {
  path: string;
  seed: number;
  size: number;
}

export function makeContents(directory: string): Contents {
  const made = new Map<number, string>();
  return {
    path(content) {
      const before = made.get(content);
      if (before !== undefined) return before;
      const path = join(directory, String(content));
      for (const piece of pieces(content)) {
        const file = piece.path === "" ? path : join(path, piece.path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, bytes(piece));
      }
      made.set(content, path);
      return path;
    },
    difference(content, path) {
      const wanted = pieces(content);
      const found = lstatSync(path).isDirectory() ? filesBelow(path) : [""];
      const expected = wanted.map((piece) => piece.path).toSorted();
      if (found.join("\n") !== expected.join("\n")) return `${path} has ${found.join(", ")} in place of ${expected.join(", ")}`;
      const wrong = wanted.find((piece) => !readFileSync(piece.path === "" ? path : join(path, piece.path)).equals(bytes(piece)));
      return wrong && `${join(path, wrong.path)} has other bytes than content ${content}`;
    },
    isTree: (content) => pieces(content)[0]?.path !== "",
    blobs: (content) => [
      ...new Set(pieces(content).map(({ seed, size }) => (size === 0 ? "empty" : `${seed} ${size}`))),
      ...(pieces(content)[0]?.path === "" ? [] : [`tree ${content}`]),
    ],
  };
}

const file = (seed: number, size: number): Piece[] => [{ path: "", seed, size }];
const small = (from: number, count: number): Piece[] =>
  Array.from({ length: count }, (_, nth) => ({
    path: `part/${from + nth}`,
    seed: 1000 + from + nth,
    size: 700 + ((from + nth) % 7) * 900,
  }));

/** Their files overlap, so that each of them shares blobs and packs with others. Directories of 32 small files or more become packs. */
const POOL: readonly (readonly Piece[])[] = [
  file(1, 300_000),
  file(2, 150_000),
  file(3, 2_000_000),
  file(4, 12),
  file(5, 5000),
  file(6, 0),
  file(1003, 700 + 3 * 900),
  small(0, 3),
  small(0, 40),
  small(20, 45),
  [...small(30, 36), { path: "large", seed: 1, size: 300_000 }],
  small(60, 64),
  [
    { path: "a", seed: 2, size: 150_000 },
    { path: "b", seed: 4, size: 12 },
  ],
  file(7, 8_000_000),
];

function pieces(content: number): readonly Piece[] {
  if (content < POOL_SIZE) return POOL[content] as readonly Piece[];
  const seed = content * 1000;
  switch (content % 4) {
    case 0:
      return file(seed, 150_000 + content);
    case 1:
      return Array.from({ length: 34 }, (_, nth) => ({ path: `own-${nth}`, seed: seed + nth, size: 500 + nth }));
    case 2:
      return [...small(5, 33), { path: "own", seed, size: 900 }];
    default:
      return file(seed, 40 + content);
  }
}

function bytes({ seed, size }: Piece): Buffer {
  return Buffer.alloc(size, new Bun.CryptoHasher("sha256").update(`bytes ${seed} ${size}`).digest());
}
