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

/** JSON has the same characters between its quotes: asked of 20,000 paths, this takes half the time. */
const PLAIN = /^[ !#-[\]-~]*$/;

export function encodeTree(entries: readonly TreeEntry[]): Buffer {
  const sorted = sortByBytes(entries);
  const lines = [FIRST_LINE];
  for (const entry of sorted) {
    const path = PLAIN.test(entry.path) ? `"${entry.path}"` : JSON.stringify(entry.path);
    if (entry.kind === "file") lines.push(`100${octal(entry.mode)} ${entry.hex} ${entry.size} ${path}`);
    else if (entry.kind === "link") lines.push(`120000 ${path} ${JSON.stringify(entry.target)}`);
    else lines.push(`040${octal(entry.mode)} ${path}`);
  }
  return Buffer.from(`${lines.join("\n")}\n`);
}

/**
 * @throws CofferError CORRUPT where it is not such a list, where a path or a link would leave the directory, where a path is there twice, and
 * where something would lie below a file or a link
 */
export function decodeTree(bytes: Uint8Array): TreeEntry[] {
  const lines = utf8(bytes).split("\n");
  if (lines[0] !== FIRST_LINE || lines.at(-1) !== "") throw corrupt("it does not begin or end as one");
  const entries = lines.slice(1, -1).map(decodeLine);
  const kinds = new Map(entries.map((entry) => [entry.path, entry.kind]));
  if (kinds.size !== entries.length) throw corrupt("it names a path twice");
  const checked = new Set<string>();
  for (const { path } of entries)
    for (let cut = path.lastIndexOf("/"); cut !== -1; cut = path.lastIndexOf("/", cut - 1)) {
      const above = path.slice(0, cut);
      if (checked.has(above)) break;
      if ((kinds.get(above) ?? "directory") !== "directory")
        throw corrupt(`something lies below ${JSON.stringify(above).slice(0, 80)}, which is no directory`);
      checked.add(above);
    }
  const out = linksThatLeave(entries)[0];
  if (out !== undefined) throw corrupt(`a link leaves it: ${JSON.stringify(out).slice(0, 80)}`);
  return entries;
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

function decodeLine(line: string): TreeEntry {
  // with s: a dot takes U+2028 and U+2029 too, which JSON leaves as they are in a name
  const file = /^100([0-7]{3}) ([0-9a-f]{64}) ([0-9]{1,16}) (".*")$/s.exec(line);
  if (file)
    return {
      kind: "file",
      mode: Number.parseInt(file[1] as string, 8),
      hex: file[2] as string,
      size: Number(file[3]),
      path: inside(file[4] as string),
    };
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

function inside(json: string): string {
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
  if (sorted.some((entry) => /[\ud800-\udfff]/.test(entry.path)))
    return sorted.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return sorted.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
