import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";
import { loadBlake3 } from "../../blobs/blake3.ts";
import { mountsBelow } from "../../blobs/mounts.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import type { Pause } from "../../domain/pause.ts";
import { leftOutBy } from "../../domain/left-out.ts";
import { digestPath } from "../../store/digest-path.ts";
import { KnownBlobs } from "../../store/ingest/known-blobs.ts";
import { readTree } from "../../store/read.ts";
import type { Store } from "../../store/store.ts";

export interface Looked {
  bytes: number;
  /** The first thing found that may be stored nowhere, in words; undefined where there is none. */
  unstored: string | undefined;
}

/**
 * Looks whether a finished run's workspace holds anything that may be stored nowhere. A file may go if the run stored it under this path, whoever logged it, and it is what was
 * stored, and the store's copy is there and not known to be damaged, or if the run's own rules left it out. Times of modification can be set (`mv`, `cp -p` and `tar x` bring old ones along), those of a change cannot:
 * of what changed after the end, or lies in a directory that did, only the bytes tell. Links are not followed, and mounts not entered.
 * @throws Interrupted where `pause` does
 */
export async function lookForUnstored(store: Store, run: RunRow, workspace: string, pause: Pause): Promise<Looked> {
  const looked: Looked = { bytes: 0, unstored: undefined };
  try {
    const known = new KnownBlobs(store, new Set(), await loadBlake3());
    const hasCopy = async (digest: string): Promise<boolean> => {
      const hex = digest.slice(digest.indexOf(":") + 1);
      return known.sizeOf(Buffer.from(hex, "hex")) !== undefined && (await known.isIntact(hex));
    };
    const isStored = judge(await storedOf(store, run), rulesOf(run), hasCopy);
    looked.unstored = await look(workspace, run.ended_at as number, isStored, async (bytes) => {
      looked.bytes += bytes;
      await pause();
    });
  } catch (error) {
    if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
    looked.unstored = `not all of it could be looked at: ${reason(error)}`;
  }
  return looked;
}

interface Found {
  /** Within the workspace. */
  path: string;
  /** Absolute. */
  source: string;
  stat: Stats;
  /** Changed after the run had ended: itself, or a directory above it. */
  changed: { itself: boolean; above: boolean };
}

async function look(
  workspace: string,
  end: number,
  whyUnstored: (found: Found) => Promise<string | undefined>,
  count: (bytes: number) => Promise<void>,
): Promise<string | undefined> {
  const { dev } = lstatSync(workspace);
  const mounts = mountsBelow(workspace);

  async function visit(directory: string, prefix: string, isChanged: boolean): Promise<string | undefined> {
    const names = readdirSync(directory);
    for (const name of names) {
      const path = prefix + name;
      const source = join(directory, name);
      const stat = lstatSync(source, { throwIfNoEntry: false });
      if (!stat) {
        // U+FFFD stands in a name that is not UTF-8, and such a name finds nothing; another one vanished
        if (name.includes("\uFFFD")) return `the name of ${path} is not UTF-8`;
        continue;
      }
      if (stat.dev !== dev || mounts.has(path)) return `something is mounted at ${path}`;
      // a run's end is in whole milliseconds
      const itself = Math.floor(Math.max(stat.mtimeMs, stat.ctimeMs)) > end;
      const why = stat.isDirectory()
        ? await visit(source, `${path}/`, isChanged || itself)
        : await whyUnstored({ path, source, stat, changed: { itself, above: isChanged } });
      if (why !== undefined) return why;
      if (!stat.isDirectory()) await count(stat.size);
    }
    return names.length === 0 && isChanged && prefix !== "" ? changedWords(prefix) : undefined;
  }

  return visit(workspace, "", Math.floor(lstatSync(workspace).ctimeMs) > end);
}

function judge(
  { outputs, files, logged, links, buried }: Stored,
  isLeftOut: ((path: string) => boolean) | undefined,
  hasCopy: (digest: string) => Promise<boolean>,
) {
  return async ({ path, source, stat, changed }: Found): Promise<string | undefined> => {
    const isChanged = changed.itself || changed.above;
    if (!stat.isFile()) {
      const isKnown = !changed.itself && stat.isSymbolicLink() && (outputs.has(path) || links.get(path) === readlinkSync(source));
      return isChanged && !isKnown ? changedWords(path) : undefined;
    }
    const stored = files.get(path);
    const lostWords = `the store's own copy of ${path} is lost or damaged: coffer verify --repair mends it with this one`;
    if (stored?.size === stat.size) {
      const isSame = !isChanged || stored.digest === `blake3:${(await digestPath(source)).hex}`;
      if (!isSame) return changedWords(path);
      return (await hasCopy(stored.digest)) ? undefined : lostWords;
    }
    const copy = await loggedCopy(logged.get(path), { source, stat });
    if (copy !== undefined) return (await hasCopy(copy)) ? undefined : lostWords;
    if (isChanged) return changedWords(path);
    if (stored) return `${path} is not what the run stored`;
    // what a run's own manifest says is recorded; what was deleted from the store was not to be kept
    if (path === "manifest.yaml" || isLeftOut?.(path) || parts(path).some((part) => buried.has(part))) return undefined;
    return isLeftOut ? `${path} is not among what the run stored` : `${path} is not among what the run stored, and its rules are not known`;
  };
}

/** The digest of what was logged under this path, where it has these very bytes: where it was logged from is not known, so they are hashed. */
async function loggedCopy(logged: StoredFile[] | undefined, { source, stat }: Pick<Found, "source" | "stat">): Promise<string | undefined> {
  if (!logged?.some(({ size }) => size === stat.size)) return undefined;
  const digest = `blake3:${(await digestPath(source)).hex}`;
  return logged.some((one) => one.digest === digest) ? digest : undefined;
}

interface StoredFile {
  size: number;
  digest: string;
}

interface Stored {
  outputs: Set<string>;
  /** Outputs, and what is inside of them. */
  files: Map<string, StoredFile>;
  /** What was logged on the run, and what is inside of it: an output with the same bytes at the same path is no other artifact. */
  logged: Map<string, StoredFile[]>;
  /** What links inside of stored directories point to. */
  links: Map<string, string>;
  /** Outputs that were deleted from the store, because somebody wanted them gone. */
  buried: Set<string>;
}

async function storedOf(store: Store, run: RunRow): Promise<Stored> {
  const stored: Stored = { outputs: new Set(), files: new Map(), logged: new Map(), links: new Map(), buried: new Set() };
  for (const { kind, role, path, size, digest, blob } of artifacts.ofRun(store.db, run.seq, "any")) {
    if (role !== "output" && role !== "logged") continue;
    const add = (at: string, file: StoredFile): void => {
      if (role === "output") stored.files.set(at, file);
      else stored.logged.set(at, [...(stored.logged.get(at) ?? []), file]);
    };
    if (role === "output") stored.outputs.add(path);
    if (blob === null) stored.buried.add(path);
    else if (kind === "file") add(path, { size, digest });
    else
      for (const entry of await readTree(store, blob)) {
        const inner = `${path}/${entry.path}`;
        if (entry.kind === "file") add(inner, { size: entry.size, digest: `blake3:${entry.hex}` });
        else if (entry.kind === "link") stored.links.set(inner, entry.target);
      }
  }
  return stored;
}

/** Which files the run's rules left out; undefined where that was not recorded. */
function rulesOf(run: RunRow): ((path: string) => boolean) | undefined {
  const { workspace } = JSON.parse(run.configuration) as { workspace?: { ignore?: string[]; output?: string[] } };
  return workspace?.ignore && workspace.output && leftOutBy({ ignore: workspace.ignore, outputs: workspace.output });
}

/** `a`, `a/b`, `a/b/c`. */
function parts(path: string): string[] {
  const names = path.split("/");
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

function changedWords(path: string): string {
  return `${path} came or changed after the run had ended: it may be stored nowhere`;
}
