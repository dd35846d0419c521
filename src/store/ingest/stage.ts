import { lstatSync } from "node:fs";
import { loadBlake3 } from "../../blobs/blake3.ts";
import { sourceStamp } from "../../blobs/source-stamp.ts";
import { CofferError, errno, isMalformed } from "../../domain/error.ts";
import { freeLeftovers } from "../../domain/free-leftovers.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Lease } from "../lease.ts";
import type { Store } from "../store.ts";
import type { AheadFile } from "./ahead-files.ts";
import { cannotTake } from "./cannot-take.ts";
import type { IngestOptions, IngestUnit } from "./ingest-unit.ts";
import { SMALL } from "./known-blobs.ts";
import { SourceMemory } from "./source-memory.ts";
import { stageFile } from "./stage-file.ts";
import { stageTree } from "./stage-tree.ts";
import type { Staged, StagedUnit } from "./staged.ts";
import { StagingArea } from "./staging-area.ts";
import { twoAtOnce } from "../bytes/two-at-once.ts";
import { walk } from "./walk.ts";
import type { Problem } from "./walk.ts";

/** A file has nothing in it that is no file. */
const NOTHING = "00".repeat(32);

/** So many files that may go into a pack make one. */
const PACK_FROM = 32;

/**
 * Reads, hashes and makes durable all that the store does not have yet, in the lease's staging directory. No row is written.
 * `distrusted` digests are staged even where the store seems to have them.
 * @throws CofferError UNREADABLE where a unit itself cannot be read; STORE_UNUSABLE where the store cannot take the bytes
 */
export async function stage(
  store: Store,
  lease: Lease,
  units: readonly IngestUnit[],
  options: IngestOptions,
  distrusted: ReadonlySet<string>,
): Promise<Staged> {
  const area = new StagingArea(store, lease, options, await loadBlake3(), distrusted);
  try {
    return await stageUnits(area, units);
  } catch (error) {
    await area.abandon();
    // a damaged database is told of as what it is
    if (error instanceof CofferError || errno(error) === undefined || isMalformed(error)) throw error;
    throw cannotTake(error);
  }
}

async function stageUnits(area: StagingArea, units: readonly IngestUnit[]): Promise<Staged> {
  const walked = units.map((unit) =>
    unit.kind === "tree" ? walk(unit.source, (path) => area.options.ignored?.(unit, path) ?? false) : undefined,
  );
  const candidates = units.reduce((count, unit, index) => count + (walked[index]?.files.length ?? (unit.typed ? 0 : 1)), 0);
  freeLeftovers(candidates);
  if (candidates >= PACK_FROM) area.beginPack();

  const problems: Problem[] = [];
  const staged: StagedUnit[] = [];
  await twoAtOnce([...units.entries()], async ([index, unit]) => {
    const tree = walked[index];
    if (tree) for (const problem of tree.problems) problems.push({ ...problem, path: `${unit.path}/${problem.path}` });
    staged[index] = tree ? await stageTree(area, unit, tree, problems) : await stageFileUnit(area, unit);
  });
  const finished = await area.finish(staged);
  syncPoint("ingest.staged");
  return { units: staged, ...finished, problems };
}

async function stageFileUnit(area: StagingArea, unit: IngestUnit): Promise<StagedUnit> {
  // a small one is read as fast as looked up
  const isSmall = (lstatSync(unit.source, { throwIfNoEntry: false })?.size ?? 0) < SMALL;
  const memory = isSmall ? undefined : SourceMemory.of(area, unit, [""]);
  const file = {
    absolute: unit.source,
    path: unit.path,
    mayPack: !unit.typed,
    remember: memory !== undefined,
    before: memory && seenBefore(memory, unit),
  };
  const { stat, isUnchanged, ...reading } = await stageFile(area, unit, file);
  const digest = area.blobs.digestOf(reading.blob);
  if (!isUnchanged) memory?.note(0, digest, stat);
  return {
    unit,
    ...reading,
    files: 1,
    members: new Int32Array(),
    seen: isUnchanged ? "same" : memory?.next(digest.toString("hex"), NOTHING),
  };
}

/** What is known of a file that looks as it did, in the words of those who read it ahead. */
function seenBefore(memory: SourceMemory, { source }: IngestUnit): AheadFile | undefined {
  // the exact stamp comes first: what the other look finds unchanged was so before
  const exact = lstatSync(source, { bigint: true, throwIfNoEntry: false });
  const stat = exact && lstatSync(source, { throwIfNoEntry: false });
  const hex = stat && memory.knownOf(0, stat);
  return exact && hex !== undefined ? { stamp: sourceStamp(exact), hex, flushed: false } : undefined;
}
