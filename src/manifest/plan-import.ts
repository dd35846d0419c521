import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as blobs from "../db/blobs.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { formatDigest } from "../domain/digest.ts";
import type { Digest } from "../domain/digest.ts";
import { CofferError } from "../domain/error.ts";
import { sha256OfFile } from "../store/sha256.ts";
import type { Store } from "../store/store.ts";
import { beyondKey } from "./beyond.ts";
import type { BeyondItem } from "./beyond.ts";
import { BytesFinder } from "./bytes-finder.ts";
import type { FoundBytes } from "./bytes-finder.ts";
import type { FoundManifest } from "./find-manifests.ts";
import { readManifest } from "./read-manifest.ts";
import type { ReadManifest } from "./read-manifest.ts";
import type { ReadItem } from "./read-item.ts";

/** A record that is to be written. */
export interface PlannedItem {
  item: ReadItem;
  beyond: BeyondItem | undefined;
  digest: Digest;
  bytes: FoundBytes | undefined;
  /** Where the bytes lie, or should. */
  place: string;
  /** Why its bytes cannot be those of the record. */
  lacking: string | undefined;
}

export interface PlannedManifest {
  read: ReadManifest;
  /** The run that it became at an earlier import. */
  run: RunRow | undefined;
  /** How many artifacts that run had. */
  seen: number;
  items: PlannedItem[];
  /** Records that the store has already. */
  known: number;
}

/**
 * Reads manifests and finds their bytes; no file of an artifact is opened, but for one whose digest nobody says. Nothing is written.
 * @throws CofferError MANIFEST_INVALID, PATH_INVALID, UNREADABLE
 */
export async function planImport(store: Store, found: readonly FoundManifest[]): Promise<PlannedManifest[]> {
  const planned: PlannedManifest[] = [];
  for (const manifest of found) planned.push(await planOne(store, manifest));
  return planned;
}

async function planOne(store: Store, found: FoundManifest): Promise<PlannedManifest> {
  const read = readManifest(found.path);
  const run = runs.byId(store.db, read.uid) ?? undefined;
  const before = run ? artifacts.ofRun(store.db, run.seq, "any") : [];
  const isKnown = knownIn(store, run, before);
  const finder = new BytesFinder(found, read.dataset);
  const items: PlannedItem[] = [];
  for (const item of read.items) {
    if (isKnown(item)) continue;
    const bytes = finder.find(item.bytesAt);
    const beyond = read.beyond.artifacts.get(beyondKey(item.id, item.version ?? 0));
    const digest = item.digest ?? (bytes?.kind === "file" ? { algorithm: "sha256" as const, hex: await hash(bytes.path) } : undefined);
    if (!digest)
      throw new CofferError(
        "MANIFEST_INVALID",
        `${found.path}: ${item.id} has neither a digest nor a file at ${finder.expected(item.bytesAt)}`,
        {
          hint: "put the file there, or write content_hash; nothing was stored",
        },
      );
    const place = bytes?.path ?? finder.expected(item.bytesAt);
    items.push({ item, beyond, digest, bytes, place, lacking: lackOf(item, beyond, bytes) });
  }
  return { read, run, seen: before.length, items, known: read.items.length - items.length };
}

function lackOf(item: ReadItem, beyond: BeyondItem | undefined, bytes: FoundBytes | undefined): string | undefined {
  if (!bytes) return "it is not there";
  if (bytes.kind !== (beyond?.kind ?? "file")) return bytes.kind === "tree" ? "it is a directory" : "it is no directory";
  if (bytes.kind === "file" && item.size !== undefined && bytes.size !== item.size)
    return `it has ${bytes.size} bytes instead of ${item.size}`;
  return undefined;
}

async function hash(path: string): Promise<string> {
  return (await sha256OfFile(path)).toString("hex");
}

/** Tells whether a run has a record already: the same id with the same bytes. A run of the store's own has all of its. */
function knownIn(store: Store, run: RunRow | undefined, before: readonly ArtifactRow[]): (item: ReadItem) => boolean {
  if (!run) return () => false;
  if (run.kind !== "import") return () => true;
  const known = new Map<string, Set<string>>();
  for (const artifact of before) {
    const digests = known.get(artifact.id) ?? new Set();
    for (const digest of digestsOf(store, artifact)) digests.add(digest);
    known.set(artifact.id, digests);
  }
  return ({ id, digest }) => known.get(id)?.has(digest ? formatDigest(digest) : "") ?? false;
}

function digestsOf(store: Store, artifact: ArtifactRow): string[] {
  const sha256 = artifact.blob === null ? null : blobs.bySeq(store.db, artifact.blob)?.sha256;
  // one whose manifest names no digest is known by its id
  return [artifact.digest, "", ...(sha256 ? [`sha256:${Buffer.from(sha256).toString("hex")}`] : [])];
}
