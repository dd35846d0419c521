import { lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { errno, reason } from "../domain/error.ts";
import type { TreeEntry } from "../blobs/tree.ts";

/** What was found but is not kept, and why. */
export interface Problem {
  path: string;
  why: string;
  /** Something that should have been stored could not be: a scratch workspace stays. Otherwise a rule or its kind left it out. */
  failed: boolean;
}

export interface Walked {
  /** Relative paths of regular files. */
  files: string[];
  /** Links inside the directory, and directories without entries. */
  others: Exclude<TreeEntry, { kind: "file" }>[];
  problems: Problem[];
}

/**
 * Lists a directory without following a link. Links that point inside it are kept as links; those that point out are refused and listed,
 * as are FIFOs, sockets, devices and names that are not UTF-8.
 */
export function walk(root: string, ignored: (path: string) => boolean): Walked {
  const found: Walked = { files: [], others: [], problems: [] };
  const real = realpathSync(root);
  const visit = (directory: string, prefix: string): void => {
    const entries = readdirSync(directory, { withFileTypes: true });
    if (entries.length === 0 && prefix !== "") found.others.push({ kind: "directory", path: prefix, mode: lstatSync(directory).mode & 0o777 });
    for (const entry of entries) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (ignored(path)) continue;
      if (entry.name.includes("\ufffd") && lstatSync(join(directory, entry.name), { throwIfNoEntry: false }) === undefined) {
        found.problems.push({ path, why: "its name is not UTF-8", failed: true });
      } else if (entry.isFile()) found.files.push(path);
      else if (entry.isDirectory()) {
        try {
          visit(join(directory, entry.name), path);
        } catch (error) {
          if (errno(error) === undefined) throw error;
          found.problems.push({ path, why: reason(error), failed: true });
        }
      } else if (entry.isSymbolicLink()) visitLink(join(directory, entry.name), path);
      else found.problems.push({ path, why: "it is neither a file, a directory nor a link", failed: false });
    }
  };
  const visitLink = (absolute: string, path: string): void => {
    const target = readlinkSync(absolute);
    const away = relative(real, resolve(join(real, path, ".."), target));
    if (target.startsWith("/") || away === ".." || away.startsWith(`..${sep}`)) found.problems.push({ path, why: `it is a link out of the directory (to ${target})`, failed: true });
    else found.others.push({ kind: "link", path, target });
  };
  visit(root, "");
  return found;
}
