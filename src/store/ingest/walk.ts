import { lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { CofferError, errno, reason } from "../../domain/error.ts";
import { linksThatLeave, linkStaysInside } from "../../blobs/tree-links.ts";
import type { TreeEntry } from "../../blobs/tree.ts";

/** What was found but is not kept, and why. */
export interface Problem {
  path: string;
  why: string;
  /** Something that should have been stored could not be: a scratch workspace stays. Otherwise a rule or its kind left it out. */
  failed: boolean;
}

export interface Walked {
  /** Relative paths of regular files, sorted. */
  files: string[];
  /** Links inside the directory, and directories without entries or with a mode of their own. */
  others: Exclude<TreeEntry, { kind: "file" }>[];
  problems: Problem[];
}

/**
 * Lists a directory without following a link. Links that point inside it are kept as links; those that point out are refused and listed,
 * as are FIFOs, sockets, devices and names that are not UTF-8.
 * @throws CofferError UNREADABLE for the directory itself; what cannot be read below it is listed
 */
export function walk(root: string, ignored: (path: string) => boolean): Walked {
  try {
    return list(root, ignored);
  } catch (error) {
    if (errno(error) === undefined) throw error;
    throw new CofferError("UNREADABLE", `${root} cannot be read: ${reason(error)}`, {
      hint: "check that it exists and that you may read it; nothing of it was stored",
      cause: error,
    });
  }
}

function list(root: string, ignored: (path: string) => boolean): Walked {
  const found: Walked = { files: [], others: [], problems: [] };
  const real = realpathSync(root);
  const visit = (directory: string, prefix: string): void => {
    const entries = readdirSync(directory, { withFileTypes: true });
    if (prefix !== "") {
      const mode = lstatSync(directory).mode & 0o777;
      if (entries.length === 0 || mode !== 0o755) found.others.push({ kind: "directory", path: prefix, mode });
    }
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
    const bytes = readlinkSync(absolute, { encoding: "buffer" });
    const target = bytes.toString();
    // read as text, and as it leads on through other links
    if (!Buffer.from(target).equals(bytes)) found.problems.push({ path, why: "what it links to is not UTF-8", failed: true });
    else if (!linkStaysInside(path, target) || !leadsInside(absolute))
      found.problems.push({ path, why: `it is a link out of the directory (to ${target})`, failed: true });
    else found.others.push({ kind: "link", path, target });
  };
  const leadsInside = (absolute: string): boolean => {
    try {
      const end = realpathSync(absolute);
      return end === real || end.startsWith(real.endsWith(sep) ? real : real + sep);
    } catch {
      return true; // it points at nothing
    }
  };
  visit(root, "");
  // a link that leads nowhere now may lead out by way of another one
  const out = new Set(linksThatLeave(found.others));
  for (const path of out) found.problems.push({ path, why: "it is a link out of the directory, by way of another one", failed: true });
  found.files.sort();
  return { ...found, others: found.others.filter(({ path }) => !out.has(path)) };
}
