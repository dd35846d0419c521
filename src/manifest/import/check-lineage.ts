import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as edges from "../../db/records/edges.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import { CofferError } from "../../domain/error.ts";
import type { Store } from "../../store/store.ts";
import type { ArtifactMark } from "../read/coffer-block.ts";
import { Marked, originsOf, sourcesOf } from "../read/origins.ts";
import type { PlannedItem, PlannedManifest } from "./plan-import.ts";
import type { ReadItem } from "../read/read-item.ts";

/** What a mark in a manifest means: a record of one of the manifests, or an artifact that the store has. */
export type Lineage = (manifest: PlannedManifest, mark: ArtifactMark) => ReadItem | ArtifactRow;

/**
 * Looks at the graph that the records make, by id, before anything is written.
 * @throws CofferError DEPENDENCY_MISSING with all that nothing is known of, DEPENDENCY_CYCLE, DEPENDENCY_TOO_DEEP
 */
export function checkLineage(store: Store, manifests: readonly PlannedManifest[]): Lineage {
  const graph = new Map<string, Set<string>>();
  const inside = new Marked<ReadItem>();
  const outside = new Marked<ArtifactRow>();
  // where nothing is new, nothing is asked for
  for (const { read, records, before } of manifests.some(({ items }) => items.length > 0) ? manifests : []) {
    for (const row of before) outside.add(read.uid, { id: row.id, version: undefined, uid: undefined }, row);
    for (const { item, block } of records) {
      inside.add(read.uid, { id: item.id, version: item.version, uid: block?.uid }, item);
      graph.set(item.id, graph.get(item.id) ?? new Set());
    }
  }
  const missing = new Set<string>();
  const rowsOf = new Map<string, Map<number, ArtifactRow>>();
  for (const { read, items } of manifests)
    for (const planned of items)
      for (const mark of marksOf(planned)) {
        const { id } = planned.item;
        const item = inside.find(read.uid, mark);
        if (item) {
          graph.get(id)?.add(item.id);
          continue;
        }
        const row = outside.find(read.uid, mark) ?? inStore(store, mark);
        if (row) {
          outside.add(read.uid, mark, row);
          rowsOf.set(id, (rowsOf.get(id) ?? new Map<number, ArtifactRow>()).set(row.seq, row));
        } else missing.add(mark.version === undefined ? mark.id : `${mark.id}@v${mark.version}`);
      }
  if (missing.size > 0) throw unknown([...missing]);
  checkOrder(store, graph, rowsOf);
  return ({ read }, mark) => inside.find(read.uid, mark) ?? (outside.find(read.uid, mark) as ArtifactRow);
}

function marksOf(planned: PlannedItem): ArtifactMark[] {
  return [...originsOf(planned), ...sourcesOf(planned)];
}

function inStore(store: Store, { id, version, uid }: ArtifactMark): ArtifactRow | null {
  // also what was deleted since: its tombstone keeps lineage whole
  const own = uid === undefined ? null : imported.byUid(store.db, uid);
  if (own || (uid !== undefined && version === undefined)) return own;
  if (version === undefined) return artifacts.latestOfId(store.db, id, "any") ?? artifacts.latestOfName(store.db, id, "any");
  return artifacts.versionOfId(store.db, id, version, "any") ?? artifacts.versionOfName(store.db, id, version, "any");
}

function unknown(names: readonly string[]): CofferError {
  return new CofferError(
    "DEPENDENCY_MISSING",
    `${names.length === 1 ? "a dependency is" : `${names.length} dependencies are`} neither in what is imported nor in the store`,
    { hint: "import the manifests that have them along with this one; nothing was stored", candidates: names.slice(0, 1000) },
  );
}

/** Takes away what depends on nothing that is left, again and again; what remains stands in a circle. Counts the longest way on the way. */
function checkOrder(store: Store, graph: Map<string, Set<string>>, outside: ReadonlyMap<string, ReadonlyMap<number, ArtifactRow>>): void {
  const limit = store.settings.values.artifact_store.max_dependency_depth;
  const heights = heightsOutside(store, outside, limit);
  const below = new Map<string, string[]>();
  for (const [id, origins] of graph)
    for (const origin of origins) {
      const list = below.get(origin);
      if (list) list.push(id);
      else below.set(origin, [id]);
    }
  const left = new Map([...graph].map(([id, origins]) => [id, origins.size]));
  const ready = [...left].filter(([, count]) => count === 0).map(([id]) => id);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    left.delete(id);
    const height = heights.get(id) ?? 0;
    if (height > limit)
      throw new CofferError("DEPENDENCY_TOO_DEEP", `a chain of dependencies longer than ${limit} ends in “${id}”`, {
        hint: "raise artifact_store.max_dependency_depth if this is meant; nothing was stored",
      });
    for (const next of below.get(id) ?? []) {
      heights.set(next, Math.max(heights.get(next) ?? 0, height + 1));
      const count = (left.get(next) as number) - 1;
      left.set(next, count);
      if (count === 0) ready.push(next);
    }
  }
  if (left.size > 0)
    throw new CofferError("DEPENDENCY_CYCLE", "the records depend on each other in a circle, or on what stands in one", {
      hint: "look at depends_on and meta_config of these; nothing was stored",
      candidates: [...left.keys()].slice(0, 20),
    });
}

/** How long the chains are that end in what a record has from the store. */
function heightsOutside(store: Store, outside: ReadonlyMap<string, ReadonlyMap<number, ArtifactRow>>, limit: number): Map<string, number> {
  const heights = new Map<string, number>();
  const known = new Map<number, number>();
  for (const [id, rows] of outside)
    for (const seq of rows.keys()) {
      const height = known.get(seq) ?? edges.depth(store.db, [seq], limit);
      known.set(seq, height);
      heights.set(id, Math.max(heights.get(id) ?? 0, height + 1));
    }
  return heights;
}
