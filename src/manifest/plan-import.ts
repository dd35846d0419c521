import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as blobs from "../db/blobs.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import { formatDigest, parseDigest } from "../domain/digest.ts";
import type { Digest } from "../domain/digest.ts";
import { digestOf, isInPlace } from "../store/read.ts";
import { sha256OfFile } from "../store/sha256.ts";
import type { Store } from "../store/store.ts";
import { blockKey } from "./coffer-block.ts";
import type { ItemBlock } from "./coffer-block.ts";
import { BytesFinder, realPath } from "./bytes-finder.ts";
import type { FoundBytes } from "./bytes-finder.ts";
import type { FoundManifest } from "./find-manifests.ts";
import { invalid } from "./parse-manifest.ts";
import { readManifest } from "./read-manifest.ts";
import type { ReadManifest } from "./read-manifest.ts";
import type { ReadItem } from "./read-item.ts";

/** A record that is to be written, or whose bytes are to be looked after. */
export interface PlannedItem {
  item: ReadItem;
  block: ItemBlock | undefined;
  dataset: string;
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
  /** Those of them whose bytes may be had from here: they are not where an earlier import left them, or are to be copied. */
  again: PlannedItem[];
}

/**
 * Reads manifests and finds their bytes; no file of an artifact is opened, but for one whose digest nobody says. Nothing is written.
 * @throws CofferError MANIFEST_INVALID, PATH_INVALID, UNREADABLE
 */
export async function planImport(store: Store, found: readonly FoundManifest[], copy: boolean): Promise<PlannedManifest[]> {
  const planned = new Map<string, PlannedManifest>();
  // a file may be named twice, also by way of a link
  for (const [manifest] of Map.groupBy(found, ({ path }) => realPath(path) ?? path).values() as Iterable<[FoundManifest]>) {
    const plan = await planOne(store, manifest, copy);
    const other = planned.get(plan.read.uid);
    if (other)
      throw invalid(manifest.path, `it tells of the same run as ${other.read.path}`, "import one after the other, or give one another uid");
    planned.set(plan.read.uid, plan);
  }
  return [...planned.values()];
}

async function planOne(store: Store, found: FoundManifest, copy: boolean): Promise<PlannedManifest> {
  const read = readManifest(found.path);
  const run = runs.byId(store.db, read.uid) ?? undefined;
  const before = run ? artifacts.ofRun(store.db, run.seq, "any") : [];
  // a run of the store's own has all of its records
  const known = run && run.kind !== "import" ? undefined : matchKnown(store, before, read.items);
  const finder = new BytesFinder(found, read.dataset);
  const plan: PlannedManifest = { read, run, seen: before.length, items: [], known: 0, again: [] };
  for (const item of read.items) {
    const artifact = known?.get(item);
    if (known && !artifact) {
      plan.items.push(await planItem(read, finder, item, item.digest));
      continue;
    }
    plan.known++;
    const row = artifact?.blob ? blobs.bySeq(store.db, artifact.blob) : null;
    if (row?.place === "foreign" && (copy || !isInPlace(store, row)))
      plan.again.push(await planItem(read, finder, item, parseDigest(digestOf(row))));
  }
  return plan;
}

async function planItem(read: ReadManifest, finder: BytesFinder, item: ReadItem, said: Digest | undefined): Promise<PlannedItem> {
  const bytes = finder.find(item.bytesAt);
  const place = bytes?.path ?? finder.expected(item.bytesAt);
  const digest =
    said ?? (bytes?.kind === "file" ? { algorithm: "sha256" as const, hex: (await sha256OfFile(place)).toString("hex") } : undefined);
  if (!digest)
    throw invalid(read.path, `${item.id} has neither a digest nor a file at ${place}`, "put the file there, or write content_hash");
  const block = read.block.artifacts.get(blockKey(item.id, item.version ?? 0));
  return { item, block, dataset: block?.dataset ?? read.dataset, digest, bytes, place, lacking: lackOf(item, block, bytes) };
}

function lackOf(item: ReadItem, block: ItemBlock | undefined, bytes: FoundBytes | undefined): string | undefined {
  if (!bytes) return "it is not there";
  if (bytes.kind !== (block?.kind ?? "file")) return bytes.kind === "tree" ? "it is a directory" : "it is no directory";
  if (bytes.kind === "file" && item.size !== undefined && bytes.size !== item.size)
    return `it has ${bytes.size} bytes instead of ${item.size}`;
  return undefined;
}

/**
 * Which record of the run each item is: of the same id and bytes, and of the same version where there is one. Each record is one item only: what a manifest
 * says twice is twice there.
 */
function matchKnown(store: Store, before: readonly ArtifactRow[], items: readonly ReadItem[]): Map<ReadItem, ArtifactRow> {
  const left = Map.groupBy(
    before.map((artifact) => ({ artifact, digests: digestsOf(store, artifact) })),
    ({ artifact }) => artifact.id,
  );
  const known = new Map<ReadItem, ArtifactRow>();
  for (const isExact of [true, false])
    for (const item of items) {
      const candidates = left.get(item.id);
      if (!candidates || known.has(item)) continue;
      const digest = item.digest ? formatDigest(item.digest) : "";
      const index = candidates.findIndex(
        ({ artifact, digests }) => digests.includes(digest) && (!isExact || artifact.version === item.version),
      );
      if (index === -1) continue;
      known.set(item, (candidates.splice(index, 1)[0] as (typeof candidates)[number]).artifact);
    }
  return known;
}

function digestsOf(store: Store, artifact: ArtifactRow): string[] {
  const sha256 = artifact.blob === null ? null : blobs.bySeq(store.db, artifact.blob)?.sha256;
  // one whose manifest names no digest is known by its id
  return [artifact.digest, "", ...(sha256 ? [`sha256:${Buffer.from(sha256).toString("hex")}`] : [])];
}
