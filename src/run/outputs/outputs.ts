import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import type { Dirent } from "node:fs";
import { join } from "node:path";
import { ignoredWithin, leftOutBy } from "../../domain/left-out.ts";
import type { OutputRules } from "../../domain/left-out.ts";
import { matcher } from "../../domain/pattern.ts";
import { reason } from "../../domain/error.ts";
import { walk } from "../../store/ingest/walk.ts";
import type { Problem } from "../../store/ingest/walk.ts";
import { liesInside } from "../workspace/workspace.ts";

/** What becomes one artifact. */
export interface OutputUnit {
  /** Relative to the workspace. */
  path: string;
  /** Where the bytes lie; absolute. */
  source: string;
  kind: "file" | "tree";
  /** A link inside the workspace: its bytes are those of something else there, and may not be moved. */
  linked: boolean;
}

export interface Outputs {
  units: OutputUnit[];
  /** What is no unit although no rule leaves it out. */
  problems: Problem[];
  /** The `--output` patterns that nothing matched. */
  unmatched: string[];
  /** Whether a rule leaves this out of a unit; by path within the unit. */
  ignoredWithin(unit: { path: string }, path: string): boolean;
  /** Whether the user's rules leave this out: ignored, or not named by `--output`. By path within the workspace. */
  isLeftOut(path: string): boolean;
}

/**
 * What a workspace holds that is to be kept. Each top-level file is a unit, each top-level directory one. With `outputs`, whatever a pattern matches first on
 * the way down is one, ignored or not, and ignore rules hold inside it.
 */
export function listOutputs(workspace: string, { ignore, outputs }: OutputRules): Outputs {
  const ignored = matcher(ignore);
  const named = matcher(outputs);
  const units: OutputUnit[] = [];
  const problems: Problem[] = [];

  function visit(prefix: string): void {
    for (const entry of list(prefix)) {
      const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      const isWanted = outputs.length > 0 ? named(path) : !ignored(path);
      if (isWanted) take(path, entry);
      else if (outputs.length > 0 && entry.isDirectory()) visit(path);
    }
  }

  function list(directory: string): Dirent[] {
    try {
      return readdirSync(join(workspace, directory), { withFileTypes: true });
    } catch (error) {
      problems.push({ path: directory || ".", why: reason(error), failed: true });
      return [];
    }
  }

  function take(path: string, entry: Dirent): void {
    const source = join(workspace, path);
    if (entry.isFile() || entry.isDirectory()) {
      if (hasOddName(source)) problems.push({ path, why: "its name is not UTF-8", failed: true });
      else units.push({ path, source, kind: entry.isFile() ? "file" : "tree", linked: false });
    } else if (entry.isSymbolicLink()) takeLink(path, source);
    else problems.push({ path, why: "it is neither a file, a directory nor a link", failed: false });
  }

  // `best.pt → checkpoints/epoch_5.pt`: the name is an output like any other, its bytes are stored once anyway
  function takeLink(path: string, source: string): void {
    try {
      const target = statSync(source, { throwIfNoEntry: false });
      if (!target) problems.push({ path, why: `it is a link to nothing (${readlinkSync(source)})`, failed: false });
      else if (!liesInside(source, workspace))
        problems.push({ path, why: `it is a link out of the workspace (to ${readlinkSync(source)})`, failed: true });
      else if (target.isFile() || target.isDirectory())
        units.push({ path, source: realpathSync(source), kind: target.isFile() ? "file" : "tree", linked: true });
      else problems.push({ path, why: "it is a link to something that is neither file nor directory", failed: false });
    } catch (error) {
      problems.push({ path, why: reason(error), failed: true });
    }
  }

  visit("");
  const within = ignoredWithin(ignore);
  return {
    units,
    problems,
    unmatched: outputs.filter((pattern) => {
      const matches = matcher([pattern]);
      const isFound = [...units, ...problems].some(({ path }) => matches(path));
      // what lies in a directory that another pattern took is kept with it
      return !isFound && !units.some((unit) => unit.kind === "tree" && everythingIn(unit).some(matches));
    }),
    ignoredWithin: (unit, path) => within(unit.path, path),
    isLeftOut: leftOutBy({ ignore, outputs }),
  };
}

function everythingIn({ path, source }: OutputUnit): string[] {
  try {
    const { files, others, problems } = walk(source, () => false);
    return [...files, ...[...others, ...problems].map((one) => one.path)].map((within) => `${path}/${within}`);
  } catch {
    // told when it is to be stored
    return [];
  }
}

/** U+FFFD stands in a name that is not UTF-8, and such a name finds nothing. */
function hasOddName(path: string): boolean {
  return path.includes("\uFFFD") && lstatSync(path, { throwIfNoEntry: false }) === undefined;
}
