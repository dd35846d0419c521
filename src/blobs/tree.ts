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

/** Without its line break. */
export const FIRST_LINE = "coffer tree 1";
