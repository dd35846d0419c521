import { CofferError } from "../domain/error.ts";
import { FIRST_LINE } from "./tree.ts";
import type { TreeEntry } from "./tree.ts";
import { linksThatLeave, linkStaysInside } from "./tree-links.ts";

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
