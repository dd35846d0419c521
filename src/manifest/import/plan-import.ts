import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { formatDigest, parseDigest } from "../../domain/digest.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { digestOf, isInPlace } from "../../store/read.ts";
import { sha256Of, sha256OfFile } from "../../store/sha256.ts";
import type { Store } from "../../store/store.ts";
import { blockKey } from "../read/coffer-block.ts";
import type { ItemBlock } from "../read/coffer-block.ts";
import { BytesFinder, realPath } from "./bytes-finder.ts";
import type { FoundBytes } from "./bytes-finder.ts";
import type { FoundManifest } from "./find-manifests.ts";
import { invalid } from "../read/parse-manifest.ts";
import { readManifest } from "../read/read-manifest.ts";
import type { ReadManifest } from "../read/read-manifest.ts";
import type { ReadItem } from "../read/read-item.ts";

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
  /** It was taken out of sight where the manifest comes from, and has no bytes. */
  isGone: boolean;
}

export interface PlannedManifest {
  read: ReadManifest;
  /** The run that it became at an earlier import. */
  run: RunRow | undefined;
  /** The artifacts that this run had. */
  before: readonly ArtifactRow[];
  /** All that the manifest tells of, known or not. */
  records: { item: ReadItem; block: ItemBlock | undefined }[];
  items: PlannedItem[];
  /** Records that the store has already. */
  known: ReadonlyMap<ReadItem, ArtifactRow>;
  /** Those of them whose bytes may be had from here: they are not where an earlier import left them, or are to be copied. */
  again: PlannedItem[];
}

/**
 * Reads manifests and finds their bytes; no file of an artifact is opened, but for one whose digest nobody says. Nothing is written.
 * @throws CofferError MANIFEST_INVALID, PATH_INVALID, UNREADABLE, COLLISION
 */
export async function planImport(
  store: Store,
  found: readonly FoundManifest[],
  options: { copy: boolean; secrets: readonly string[] },
): Promise<PlannedManifest[]> {
  const planned = new Map<string, PlannedManifest>();
  // a file may be named twice, also by way of a link
  for (const [manifest] of Map.groupBy(found, ({ path }) => realPath(path) ?? path).values() as Iterable<[FoundManifest]>) {
    const plan = await planOne(store, manifest, options);
    const other = planned.get(plan.read.uid);
    if (other)
      throw invalid(manifest.path, `it tells of the same run as ${other.read.path}`, "import one after the other, or give one another uid");
    planned.set(plan.read.uid, plan);
  }
  return [...planned.values()];
}

async function planOne(
  store: Store,
  found: FoundManifest,
  { copy, secrets }: { copy: boolean; secrets: readonly string[] },
): Promise<PlannedManifest> {
  const read = readManifest(found.path, secrets);
  const run = runs.byId(store.db, read.uid) ?? undefined;
  const before = run ? artifacts.ofRun(store.db, run.seq, "any") : [];
  const all = [...read.items, ...read.gone.map(({ item }) => item)];
  const known = await matchKnown(store, run, before, all);
  if (run && run.kind !== "import")
    refuseOthers(
      read,
      run,
      read.items.filter((item) => !known.has(item)),
    );
  const finder = new BytesFinder(found, read.dataset);
  const plan: PlannedManifest = { read, run, before, records: [...read.gone], items: [], known, again: [] };
  const blocks = new Map([...read.block.artifacts].map(([key, its]) => [key, its.values()]));
  for (const item of read.items) {
    const artifact = known.get(item);
    const row = artifact?.blob ? blobs.bySeq(store.db, artifact.blob) : null;
    const block = blocks.get(blockKey(item.id, item.version ?? 0))?.next().value;
    plan.records.push({ item, block });
    if (!artifact) plan.items.push(await planItem(read, finder, item, block, item.digest));
    else if (row?.place === "foreign" && (copy || !isInPlace(store, row)))
      plan.again.push(await planItem(read, finder, item, block, parseDigest(digestOf(row))));
  }
  // a run of the store's own knows what is gone of it
  for (const { item, block } of run && run.kind !== "import" ? [] : read.gone)
    if (!known.has(item)) plan.items.push(planGone(read, item, block));
  return plan;
}

/** Nobody else can say what a run of this store made. */
function refuseOthers(read: ReadManifest, run: RunRow, others: readonly ReadItem[]): void {
  if (others.length === 0) return;
  throw new CofferError(
    "COLLISION",
    `${read.path}: run ${run.id} is of this store, and has not made ${others.length === 1 ? "this record" : `${others.length} records`} with these bytes`,
    { hint: "give the manifest another uid; nothing was stored", candidates: others.slice(0, 1000).map(({ id }) => id) },
  );
}

function planGone(read: ReadManifest, item: ReadItem, block: ItemBlock): PlannedItem {
  if (!item.digest) throw invalid(read.path, `coffer.gone: ${item.id} has no digest`, "write content_hash");
  const dataset = block.dataset ?? read.dataset;
  return { item, block, dataset, digest: item.digest, bytes: undefined, place: "", lacking: undefined, isGone: true };
}

async function planItem(
  read: ReadManifest,
  finder: BytesFinder,
  item: ReadItem,
  block: ItemBlock | undefined,
  said: Digest | undefined,
): Promise<PlannedItem> {
  const bytes = finder.find(item.bytesAt);
  const place = bytes?.path ?? finder.expected(item.bytesAt);
  // a file that is hashed here becomes one of the store's: not any that lies around
  if (!said && bytes && !finder.isOwn(bytes))
    throw invalid(
      read.path,
      `${item.id} has no digest, and ${place} lies neither in binaries/ nor beside the manifest`,
      "write content_hash",
    );
  const digest =
    said ?? (bytes?.kind === "file" ? { algorithm: "sha256" as const, hex: (await sha256OfFile(place)).toString("hex") } : undefined);
  if (!digest)
    throw invalid(read.path, `${item.id} has neither a digest nor a file at ${place}`, "put the file there, or write content_hash");
  const dataset = block?.dataset ?? read.dataset;
  return { item, block, dataset, digest, bytes, place, lacking: lackOf(item, block, bytes), isGone: false };
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
async function matchKnown(
  store: Store,
  run: RunRow | undefined,
  before: readonly ArtifactRow[],
  items: readonly ReadItem[],
): Promise<Map<ReadItem, ArtifactRow>> {
  const known = new Map<ReadItem, ArtifactRow>();
  if (!run) return known;
  const ids = new Set(items.map(({ id }) => id));
  // what a run of the store's own made may be known by BLAKE3 alone
  if (run.kind !== "import") for (const { id, blob } of before) if (blob !== null && ids.has(id)) await sha256Of(store, blob);
  const rows = run.kind === "import" ? before : artifacts.ofRun(store.db, run.seq, "any");
  const left = Map.groupBy(
    rows.map((artifact) => ({ artifact, digests: digestsOf(store, run, artifact) })),
    ({ artifact }) => artifact.id,
  );
  for (const isExact of [true, false])
    for (const item of items) {
      const candidates = left.get(item.id);
      if (!candidates || known.has(item)) continue;
      const digest = item.digest ? formatDigest(item.digest) : "";
      const index = candidates.findIndex(
        ({ artifact, digests }) => (digests?.includes(digest) ?? true) && (!isExact || artifact.version === item.version),
      );
      if (index === -1) continue;
      known.set(item, (candidates.splice(index, 1)[0] as (typeof candidates)[number]).artifact);
    }
  return known;
}

/** Undefined: any. Of what a run of this store made and was deleted since, nobody knows the SHA-256 any more. */
function digestsOf(store: Store, run: RunRow, artifact: ArtifactRow): string[] | undefined {
  if (artifact.blob === null && run.kind !== "import") return undefined;
  const sha256 = artifact.blob === null ? null : blobs.bySeq(store.db, artifact.blob)?.sha256;
  // one whose manifest names no digest is known by its id
  return [artifact.digest, "", ...(sha256 ? [`sha256:${Buffer.from(sha256).toString("hex")}`] : [])];
}
