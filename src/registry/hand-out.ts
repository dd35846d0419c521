import { basename } from "node:path";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as blobs from "../db/bytes/blobs.ts";
import { unflushed, unflushedWhile } from "../db/open/open.ts";
import * as inputs from "../db/records/run-inputs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { formatDigest } from "../domain/digest.ts";
import { CofferError, isFull } from "../domain/error.ts";
import * as cache from "../store/cache/cache.ts";
import { holdBlob, processLease, readerLease } from "../store/lease.ts";
import { readTree } from "../store/read.ts";
import type { Store } from "../store/store.ts";
import type { Content } from "../store/bytes/write-out.ts";
import { manifestIsDue } from "./record.ts";
import { shownName } from "./shown-name.ts";

/** Who is given bytes: a run, or else the process that called us. Its lease holds them. */
export interface Reader {
  run: RunRow | undefined;
  lease: number;
}

/** The bytes of an artifact, or of one file inside the directory that it is. */
export type Held = Content & { name: string; size: number; digest: string };

/** Of what is copied to a place of the reader's own: held while this command reads, and no longer. */
export function openCopier(store: Store, run: RunRow | undefined): Reader {
  sayUnheld(store);
  return { run, lease: processLease(store).seq };
}

export function openReader(store: Store, run: RunRow | undefined): Reader {
  sayUnheld(store);
  // a machine that stops takes the reader along
  return { run, lease: unflushed(store.db, () => readerLease(store, run?.seq)) };
}

/** On a full disk gc is what comes next; where nobody may write, it does not come from here. */
function sayUnheld(store: Store): void {
  if (isFull(store.readOnly)) store.say("no space is left on the disk of the store: nothing keeps gc from what is handed out now");
}

/**
 * From here on nothing takes these bytes from the reader; none of them was read yet.
 * @throws CofferError NOT_FOUND where they are gone, or the directory has no such file
 */
export async function hold(store: Store, reader: Reader, artifact: ArtifactRow, inside?: string): Promise<Held> {
  const blob = blobOf(artifact);
  unflushed(store.db, () => holdBlob(store, reader.lease, blob));
  return heldBytes(store, artifact, inside);
}

/**
 * The same without a reader: nothing is held, and nothing counts as used.
 * @throws CofferError NOT_FOUND
 */
export async function heldBytes(store: Store, artifact: ArtifactRow, inside?: string): Promise<Held> {
  const blob = blobOf(artifact);
  if (inside !== undefined) return fileInside(store, artifact, blob, inside);
  return { kind: artifact.kind, blob, mode: artifact.mode, size: artifact.size, digest: artifact.digest, name: basename(artifact.path) };
}

/** Paths of whole artifacts, in the same order; they are inputs of the run then. */
export async function handOut(store: Store, reader: Reader, artifacts: readonly ArtifactRow[]): Promise<string[]> {
  const contents: Held[] = [];
  // all are held before the first is read
  for (const artifact of artifacts) contents.push(await hold(store, reader, artifact));
  const paths = await readablePaths(store, reader, contents);
  recordRead(store, reader, artifacts);
  return paths;
}

/** Paths under which they can be read, in the same order. @throws CofferError CORRUPT */
export async function readablePaths(store: Store, reader: Reader, contents: readonly Held[]): Promise<string[]> {
  // what is copied into the cache, and who holds it, means nothing after a machine has stopped
  return unflushedWhile(store.db, () => cache.readablePaths(store, contents, reader.lease));
}

/** What a run was handed out becomes its input. */
export function recordRead(store: Store, { run }: Reader, artifacts: readonly ArtifactRow[]): void {
  if (!run || artifacts.length === 0) return;
  if (store.readOnly) return store.say(`what run ${run.id} was given could not be recorded as its input: ${store.readOnly.message}`);
  store.transaction(() => {
    for (const { seq, digest, size } of artifacts)
      inputs.add(store.db, { run: run.seq, artifact: seq, path: null, digest, size, how: "got" });
    // one that has ended is written down already
    if (runs.bySeq(store.db, run.seq)?.state !== "running") manifestIsDue(store, run.seq);
  });
}

function blobOf(artifact: ArtifactRow): number {
  if (artifact.blob !== null) return artifact.blob;
  throw new CofferError("NOT_FOUND", `the bytes of ${shownName(artifact)} are gone`, {
    hint: `coffer show ${artifact.id} tells when and why`,
  });
}

async function fileInside(store: Store, artifact: ArtifactRow, blob: number, inside: string): Promise<Held> {
  const entries = await readTree(store, blob);
  const entry = entries.find((candidate) => candidate.path === inside);
  const row = entry?.kind === "file" ? blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex }) : null;
  if (entry?.kind !== "file" || !row)
    throw new CofferError("NOT_FOUND", `${artifact.path} has no file “${inside}”`, {
      hint: "coffer show REF --files lists them; get the whole directory for what is below a directory in it",
      candidates: entries
        .filter((candidate) => candidate.path.startsWith(`${inside}/`))
        .slice(0, 10)
        .map((candidate) => `${artifact.id}/${candidate.path}`),
    });
  return {
    kind: "file",
    blob: row.seq,
    mode: entry.mode,
    size: row.size,
    digest: formatDigest({ algorithm: "blake3", hex: entry.hex }),
    name: basename(inside),
  };
}
