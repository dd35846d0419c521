import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import type { OutboxRow } from "../../db/delivery/outbox.ts";
import { parseDigest } from "../../domain/digest.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { remoteName } from "../../mlflow/artifacts/remote-name.ts";
import { readTree } from "../../store/read.ts";
import type { Store } from "../../store/store.ts";
import type { Note } from "../tell.ts";

/** One file as it is to lie on the server. */
export interface RemoteFile {
  /** Below the run's directory, as `remoteName` gave it. */
  path: string;
  size: number;
  /** Of its bytes. */
  digest: Digest;
}

export interface Piece {
  entry: OutboxRow;
  artifact: ArtifactRow;
  files: RemoteFile[];
  /** Another artifact of the run had, or has, its path, or other bytes were read back: what lies there may not be ours although its size agrees. */
  contested: boolean;
}

export interface Layout {
  pieces: Piece[];
  /** Entries that cannot be laid out, and why. */
  faults: { entry: OutboxRow; error: CofferError }[];
  /** Entries whose path a newer artifact of the run has. */
  superseded: OutboxRow[];
  /** Open entries whose artifact was taken out of sight. */
  withdrawn: { entry: OutboxRow; artifact: ArtifactRow }[];
  notes: Note[];
}

/** The files of an artifact, which are the same each time: a list of 20,000 is read once in a delivery. By the artifact's seq. */
export type Laid = Map<number, { files: RemoteFile[]; notes: Note[] }>;

/**
 * Where each file of a run goes: a file to its path, a directory to its path with each member below it. MLflow knows neither links nor empty
 * directories: they are noted and left out. A later artifact at the same path takes the place of an earlier one; two that merely overlap
 * are an error, unless the bytes are the same.
 */
export function layOut(store: Store, delivery: number, laid: Laid): Promise<Layout> {
  return layOutEntries(store, outbox.entries(store.db, delivery), laid);
}

/** The same of entries that are no longer, or not yet, in the database. */
export async function layOutEntries(store: Store, entries: readonly OutboxRow[], laid: Laid): Promise<Layout> {
  const layout: Layout = { pieces: [], faults: [], superseded: [], withdrawn: [], notes: [] };
  const { owners, contested } = ownersOfPaths(store, entries, layout);
  const taken: Taken = { files: new Map(), directories: new Set() };
  for (const { entry, artifact } of owners) {
    try {
      const { files, notes } = laid.get(artifact.seq) ?? (await filesOf(store, artifact));
      laid.set(artifact.seq, { files, notes });
      layout.notes.push(...notes);
      for (const file of files) take(taken, file);
      layout.pieces.push({ entry, artifact, files, contested: contested.has(artifact.path) || entry.how === "doubted" });
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      layout.faults.push({ entry, error });
    }
  }
  return layout;
}

interface Owned {
  entry: OutboxRow;
  artifact: ArtifactRow;
}

/** The newest artifact of each path, in the order in which they were made. */
function ownersOfPaths(store: Store, entries: readonly OutboxRow[], layout: Layout): { owners: Owned[]; contested: Set<string> } {
  const newest = new Map<string, Owned>();
  const contested = new Set<string>();
  for (const entry of entries) {
    if (entry.artifact === null) continue;
    const artifact = artifacts.bySeq(store.db, entry.artifact) as ArtifactRow;
    if (artifact.state !== "live") {
      contested.add(artifact.path);
      if (entry.settled_at === null) layout.withdrawn.push({ entry, artifact });
      continue;
    }
    const other = newest.get(artifact.path);
    if (other) {
      contested.add(artifact.path);
      layout.superseded.push(other.artifact.seq < artifact.seq ? other.entry : entry);
    }
    if (!other || other.artifact.seq < artifact.seq) newest.set(artifact.path, { entry, artifact });
  }
  return { owners: [...newest.values()].sort((a, b) => a.artifact.seq - b.artifact.seq), contested };
}

async function filesOf(store: Store, artifact: ArtifactRow): Promise<{ files: RemoteFile[]; notes: Note[] }> {
  const notes: Note[] = [];
  if (artifact.blob === null) throw new CofferError("CORRUPT", `${artifact.id} has no bytes any more`, { hint: "run coffer verify" });
  if (artifact.kind === "file") return { files: [named(artifact.path, artifact.size, parseDigest(artifact.digest), notes)], notes };
  const files: RemoteFile[] = [];
  const entries = await readTree(store, artifact.blob);
  const filled = new Set(entries.flatMap((entry) => parentsOf(entry.path)));
  for (const entry of entries) {
    const path = `${artifact.path}/${entry.path}`;
    if (entry.kind === "file") files.push(named(path, entry.size, { algorithm: "blake3", hex: entry.hex }, notes));
    else if (entry.kind === "link")
      notes.push({ kind: "skipped", message: `${path} is a link (to ${entry.target}): MLflow has none, so it is not sent` });
    else if (!filled.has(entry.path))
      notes.push({ kind: "skipped", message: `${path} is an empty directory: MLflow has none, so it is not sent` });
  }
  return { files, notes };
}

function named(path: string, size: number, digest: Digest, notes: Note[]): RemoteFile {
  const remote = remoteName(path);
  if (remote.changed)
    notes.push({ kind: "renamed", message: `${path} is called ${remote.path} on the server: MLflow would mangle its name` });
  return { path: remote.path, size, digest };
}

interface Taken {
  files: Map<string, RemoteFile>;
  directories: Set<string>;
}

function take(taken: Taken, file: RemoteFile): void {
  const parents = parentsOf(file.path);
  const before = taken.files.get(file.path);
  // `--register best=models/best.pt` keeps a file of its own beside the directory that holds it
  const clashes =
    (before && before.digest.hex !== file.digest.hex) ||
    taken.directories.has(file.path) ||
    parents.some((parent) => taken.files.has(parent));
  if (clashes)
    throw new CofferError("COLLISION", `another artifact of this run lies at ${file.path}`, {
      hint: "log one of them again under another path with --as",
    });
  taken.files.set(file.path, file);
  for (const parent of parents) taken.directories.add(parent);
}

/** Where these files lie: `a/b/c` → `a/b`; `""` is the run's root. */
export function directoriesOf(files: Iterable<RemoteFile>): Set<string> {
  const directories = new Set<string>();
  for (const { path } of files) directories.add(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  return directories;
}

/** `a/b/c` → `a`, `a/b`. */
function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) parents.push(path.slice(0, at));
  return parents;
}
