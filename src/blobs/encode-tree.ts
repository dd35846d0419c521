import { FIRST_LINE } from "./tree.ts";
import type { TreeEntry } from "./tree.ts";

export function encodeTree(entries: readonly TreeEntry[]): Buffer {
  return Buffer.concat(piecesOf(sortByBytes(entries)));
}

/**
 * The same in pieces. The files come one by one, in the order of their paths as JavaScript sorts them, since a million of them take more memory than their list.
 * They may be asked for twice.
 */
export function encodeTreeInPieces(files: () => Iterable<TreeEntry>, others: readonly TreeEntry[]): Buffer[] {
  const isOrdered = !others.some(isBeyondPlane);
  const pieces = isOrdered ? piecesOf(merged(files(), sortByBytes(others)), isBeyondPlane) : [];
  return pieces.length > 0 ? pieces : [encodeTree([...files(), ...others])];
}

const [BLANK, QUOTE, NEWLINE] = [0x20, 0x22, 0x0a];

/** JSON has the same characters between its quotes: asked of 20,000 paths, this takes half the time. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Bytes; the first one may do for all. */
const [FIRST_OF_LIST, PIECE_OF_LIST] = [16 << 10, 256 << 10];
/** Of a line, without its path. */
const REST_OF_LINE = 128;

/** Nothing where one of the entries is refused. */
function piecesOf(sorted: Iterable<TreeEntry>, refuses: (entry: TreeEntry) => boolean = () => false): Buffer[] {
  const pieces: Buffer[] = [];
  let piece = Buffer.allocUnsafe(FIRST_OF_LIST);
  let end = piece.write(`${FIRST_LINE}\n`);
  for (const entry of sorted) {
    const isPlain = PLAIN.test(entry.path);
    if (!isPlain && refuses(entry)) return [];
    const isShort = isPlain && entry.kind === "file";
    const line = isShort ? undefined : Buffer.from(lineOf(entry));
    const needed = line?.length ?? REST_OF_LINE + entry.path.length;
    if (end + needed > piece.length) {
      pieces.push(piece.subarray(0, end));
      piece = Buffer.allocUnsafe(Math.max(PIECE_OF_LIST, needed));
      end = 0;
    }
    if (isShort) end = putFile(piece, end, entry);
    else end += (line as Buffer).copy(piece, end);
  }
  return [...pieces, piece.subarray(0, end)];
}

function lineOf(entry: TreeEntry): string {
  const path = JSON.stringify(entry.path);
  if (entry.kind === "file") return `100${octal(entry.mode)} ${entry.hex} ${entry.size} ${path}\n`;
  if (entry.kind === "link") return `120000 ${path} ${JSON.stringify(entry.target)}\n`;
  return `040${octal(entry.mode)} ${path}\n`;
}

/** The line of most files, without a text that is of no use a moment later: those of 200,000 files take 70 MB until they are looked for. Returns where it ends. */
function putFile(into: Buffer, at: number, { mode, hex, size, path }: Extract<TreeEntry, { kind: "file" }>): number {
  let end = at + into.write("100", at, "latin1");
  end += into.write(octal(mode), end, "latin1");
  into[end++] = BLANK;
  end += into.write(hex, end, "latin1");
  into[end++] = BLANK;
  end += into.write(String(size), end, "latin1");
  into[end++] = BLANK;
  into[end++] = QUOTE;
  end += into.write(path, end, "latin1");
  into[end++] = QUOTE;
  into[end++] = NEWLINE;
  return end;
}

/** Both are sorted. */
function* merged(files: Iterable<TreeEntry>, others: readonly TreeEntry[]): Generator<TreeEntry> {
  let at = 0;
  for (const file of files) {
    for (let other = others[at]; other !== undefined && other.path < file.path; other = others[++at]) yield other;
    yield file;
  }
  yield* others.slice(at);
}

const octals: string[] = [];

function octal(mode: number): string {
  return (octals[mode & 0o777] ??= (mode & 0o777).toString(8).padStart(3, "0"));
}

function sortByBytes(entries: readonly TreeEntry[]): TreeEntry[] {
  const sorted = [...entries];
  // UTF-16 order is that of the bytes, but for characters beyond the basic plane
  if (sorted.some(isBeyondPlane)) return sorted.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return sorted.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function isBeyondPlane({ path }: TreeEntry): boolean {
  return /[\ud800-\udfff]/.test(path);
}
