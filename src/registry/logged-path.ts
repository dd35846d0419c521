import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { MetricPoint } from "../db/records/metrics.ts";
import { guessArtifactType } from "../domain/artifact-type.ts";
import { CofferError, reason } from "../domain/error.ts";
import { checkArtifactPath } from "../domain/names.ts";
import type { IngestUnit } from "../store/ingest/ingest-unit.ts";
import type { Problem } from "../store/ingest/walk.ts";
import type { Particulars } from "./record.ts";

/** A file or directory to keep. */
export interface LoggedPath {
  /** Absolute, or relative to the working directory. */
  source: string;
  /** Its path within the run; by default its base name. */
  as?: string | undefined;
  /** Said of this one, in place of what is said of all. */
  said?: Partial<Omit<Particulars, "role">>;
  /** Why MLflow is not told of it. */
  heldBack?: string | undefined;
  /** Why something inside of the directory stays out, by its path there; undefined keeps it. */
  leaveOut?: (path: string) => string | undefined;
  /** It lies in our own staging: its inode becomes the blob, and the name goes. */
  move?: boolean;
  /** What a stage was given to make this from: as an output of the run, it is not sent a second time. */
  stagedFrom?: string;
  /** What the file says of the run, and what could not be read of it, in sentences. */
  readings?: { metrics: readonly MetricPoint[]; skipped: readonly string[] };
}

/**
 * What the store is to take in.
 * @throws CofferError UNREADABLE, PATH_INVALID
 */
export function unitOf({ source, as, said: own, move = false }: LoggedPath, all: Omit<Particulars, "role">): IngestUnit {
  // it would be the working directory
  if (source === "")
    throw new CofferError("PATH_INVALID", "a path is empty", { hint: "look whether a variable is not set; nothing was stored" });
  const absolute = resolve(source);
  const said = { ...all, ...own };
  const kind = kindOf(source);
  const path = checkArtifactPath(as ?? basename(absolute));
  const type = said.type ?? (kind === "tree" ? "file" : guessArtifactType(path));
  const typed = said.type !== undefined || said.class !== undefined;
  return { path, source: absolute, kind, type, class: said.class ?? null, typed, move };
}

/** @throws CofferError UNREADABLE for what is not there, and for what is neither a file nor a directory */
export function kindOf(source: string): IngestUnit["kind"] {
  let stat: ReturnType<typeof lstatSync>;
  try {
    stat = lstatSync(resolve(source));
  } catch (error) {
    throw new CofferError("UNREADABLE", `${source} cannot be read: ${reason(error)}`, {
      hint: "check the path; nothing was stored",
      cause: error,
    });
  }
  if (!stat.isFile() && !stat.isDirectory())
    throw new CofferError("UNREADABLE", `${source} is neither a file nor a directory`, {
      hint: "a link is not followed: name what it points to; nothing was stored",
    });
  return stat.isDirectory() ? "tree" : "file";
}

export function refuseCollisions(units: readonly IngestUnit[]): void {
  const seen = new Map<string, string>();
  for (const { path, source } of units) {
    const other = seen.get(path);
    if (other !== undefined)
      throw new CofferError("COLLISION", `${other} and ${source} would both be “${path}”`, {
        hint: "log them one by one and name one with --as PATH; nothing was stored",
      });
    seen.set(path, source);
  }
}

export function unreadable(problems: readonly Problem[]): CofferError {
  return new CofferError(
    "UNREADABLE",
    `${problems.length === 1 ? "a file" : `${problems.length} files`} could not be kept: ${problems[0]?.path}: ${problems[0]?.why}`,
    {
      hint: "make it readable, or leave it out with --ignore PATTERN; nothing was stored",
      candidates: problems.slice(1, 20).map((problem) => `${problem.path}: ${problem.why}`),
    },
  );
}

/** Where a path lies within a run's workspace, links above it followed; undefined where it does not. */
export function pathInWorkspace(source: string, workspace: string): string | undefined {
  try {
    const absolute = resolve(source);
    const path = relative(realpathSync(workspace), join(realpathSync(dirname(absolute)), basename(absolute)));
    return path === "" || path === ".." || path.startsWith("../") ? undefined : path;
  } catch {
    return undefined; // the workspace is gone
  }
}
