import { CofferError } from "../domain/error.ts";

/**
 * A directory's canonical form, stored as a blob of its own: `coffer tree 1`, then a line an entry, sorted by the bytes of its path:
 *
 *     100644 <blake3 hex> <size> "<path>"
 *     120000 "<path>" "<target>"
 *     040755 "<path>"                      (a directory without entries, or with another mode than 755)
 *
 * Paths are JSON strings, so that any name has one line. Modes are octal with the file type in front, as in git.
 */
export type TreeEntry =
  | { kind: "file"; path: string; mode: number; hex: string; size: number }
  | { kind: "link"; path: string; target: string }
  | { kind: "directory"; path: string; mode: number };

const FIRST_LINE = "coffer tree 1";

const [BLANK, QUOTE, NEWLINE] = [0x20, 0x22, 0x0a];

/** JSON has the same characters between its quotes: asked of 20,000 paths, this takes half the time. */
const PLAIN = /^[ !#-[\]-~]*$/;

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

/**
 * @throws CofferError CORRUPT where it is not such a list, where a path or a link would leave the directory, where a path is there twice, and
 * where something would lie below a file or a link
 */
export function decodeTree(bytes: Uint8Array): TreeEntry[] {
  return [...treeEntries(bytes)];
}

/**
 * The same, one after another, for who needs no more than one at a time: a list of 100,000 files takes some 60 MB as objects. What is wrong with an entry is thrown before that
 * entry is given; a link that leaves, at the end.
 * @throws CofferError CORRUPT as above
 */
export function* treeEntries(bytes: Uint8Array): Generator<TreeEntry, void, undefined> {
  const links: TreeEntry[] = [];
  /** What is no directory, where the path at hand begins with the same characters. */
  const above: string[] = [];
  let before = "";
  let isSorted = true;
  for (const line of linesOf(bytes)) {
    const entry = decodeLine(line);
    const { path } = entry;
    if (isSorted && path <= before) {
      // once written by another hand, or with characters that UTF-16 sorts in another way
      isSorted = false;
      checkUnsorted(bytes);
    }
    if (isSorted) {
      // whatever stands between `a` and `a/b` begins with `a` too
      while (above.length > 0 && !path.startsWith(above.at(-1) as string)) above.pop();
      for (const other of above) if (path[other.length] === "/") throw belowNoDirectory(other);
      if (entry.kind !== "directory") above.push(path);
      before = path;
    }
    if (entry.kind === "link") links.push(entry);
    yield entry;
  }
  const out = linksThatLeave(links)[0];
  if (out !== undefined) throw corrupt(`a link leaves it: ${JSON.stringify(out).slice(0, 80)}`);
}

function checkUnsorted(bytes: Uint8Array): void {
  const kinds = new Map<string, TreeEntry["kind"]>();
  for (const line of linesOf(bytes)) {
    const { path, kind } = decodeLine(line);
    if (kinds.has(path)) throw corrupt("it names a path twice");
    kinds.set(path, kind);
  }
  const checked = new Set<string>();
  for (const path of kinds.keys())
    for (let cut = path.lastIndexOf("/"); cut !== -1; cut = path.lastIndexOf("/", cut - 1)) {
      const above = path.slice(0, cut);
      if (checked.has(above)) break;
      if ((kinds.get(above) ?? "directory") !== "directory") throw belowNoDirectory(above);
      checked.add(above);
    }
}

function belowNoDirectory(path: string): CofferError {
  return corrupt(`something lies below ${JSON.stringify(path).slice(0, 80)}, which is no directory`);
}

const LINE_END = 0x0a;
const PIECE = 1 << 16;

/** Those behind the first one; piece by piece, so that never all of them are strings at once. */
function* linesOf(bytes: Uint8Array): Generator<string, void, undefined> {
  const first = Buffer.from(`${FIRST_LINE}\n`);
  if (!first.equals(bytes.subarray(0, first.length)) || bytes.at(-1) !== LINE_END) throw corrupt("it does not begin or end as one");
  for (let from = first.length; from < bytes.length;) {
    // the last byte ends a line
    const end = bytes.indexOf(LINE_END, Math.min(from + PIECE, bytes.length - 1));
    yield* utf8(bytes.subarray(from, end)).split("\n");
    from = end + 1;
  }
}

/** A system follows no more links on one way. */
const MAX_HOPS = 40;

/** The paths of links that lead out of the directory, followed through its other links as a system would. */
export function linksThatLeave(entries: readonly TreeEntry[]): string[] {
  const targets = new Map(entries.flatMap((entry) => (entry.kind === "link" ? [[entry.path, entry.target] as const] : [])));
  const leaves = (path: string, target: string): boolean => {
    const here = path.split("/").slice(0, -1);
    const ahead = target.split("/").reverse();
    let hops = 0;
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === "" || part === ".") continue;
      if (part !== "..") here.push(part);
      else if (here.pop() === undefined) return true;
      const next = part === ".." ? undefined : targets.get(here.join("/"));
      if (next === undefined) continue;
      if (next.startsWith("/")) return true;
      if (++hops > MAX_HOPS) return false;
      here.pop();
      ahead.push(...next.split("/").reverse());
    }
    return false;
  };
  return [...targets].filter(([path, target]) => target.startsWith("/") || leaves(path, target)).map(([path]) => path);
}

/** Whether a link at `path`, read as text, points to something inside the directory. */
export function linkStaysInside(path: string, target: string): boolean {
  if (target.startsWith("/")) return false;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return true;
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw corrupt("it is not UTF-8");
  }
}

// with s: a dot takes U+2028 and U+2029 too, which JSON leaves as they are in a name
const FILE = /^100[0-7]{3} [0-9a-f]{64} [0-9]{1,16} ".*"$/s;
const HEX_AT = 7;
const SIZE_AT = HEX_AT + 64 + 1;

function decodeLine(line: string): TreeEntry {
  // asked, and then cut: for 100,000 files the lists of what an expression has matched are 30 MB more
  if (FILE.test(line)) {
    const sizeEnd = line.indexOf(" ", SIZE_AT);
    return {
      kind: "file",
      mode: Number.parseInt(line.slice(3, HEX_AT - 1), 8),
      hex: line.slice(HEX_AT, SIZE_AT - 1),
      size: Number(line.slice(SIZE_AT, sizeEnd)),
      path: inside(line.slice(sizeEnd + 1)),
    };
  }
  const link = /^120000 ("(?:[^"\\]|\\.)*") (".*")$/s.exec(line);
  if (link) {
    const [path, target] = [inside(link[1] as string), text(link[2] as string)];
    if (target === "" || target.includes("\0") || !linkStaysInside(path, target)) throw corrupt(`a link leaves it: ${line.slice(7, 87)}`);
    return { kind: "link", path, target };
  }
  const directory = /^040([0-7]{3}) (".*")$/s.exec(line);
  if (directory) return { kind: "directory", mode: Number.parseInt(directory[1] as string, 8), path: inside(directory[2] as string) };
  throw corrupt(`it has a line that is no entry: ${line.slice(0, 80)}`);
}

/** Such a path, between quotes, says what it is without a look at each of its parts: no name begins with a dot, and none is empty. */
const SIMPLE = /^"(?:[!#-\-0-[\]-~][ !#-.0-[\]-~]*)(?:\/[!#-\-0-[\]-~][ !#-.0-[\]-~]*)*"$/;

function inside(json: string): string {
  if (SIMPLE.test(json)) return json.slice(1, -1);
  const path = text(json);
  if (
    path === "" ||
    path.startsWith("/") ||
    path.includes("\0") ||
    path.split("/").some((part) => part === "" || part === "." || part === "..")
  )
    throw corrupt(`a path leaves it: ${json.slice(0, 80)}`);
  return path;
}

function text(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "string") return value;
  } catch {
    // said below
  }
  throw corrupt(`a path is not a JSON string: ${json.slice(0, 80)}`);
}

function corrupt(why: string): CofferError {
  return new CofferError("CORRUPT", `a stored directory list cannot be read: ${why}`, { hint: "run coffer verify" });
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
