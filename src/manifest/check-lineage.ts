import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import * as edges from "../db/edges.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";
import type { PlannedManifest } from "./plan-import.ts";
import type { ReadItem } from "./read-item.ts";

/** Ids that records of manifests name and that no manifest has: what the store has under them. */
export type Outside = ReadonlyMap<string, ArtifactRow>;

/** What a record was made from, each id once: its dependencies, and a meta-model's sources. */
export function originsOf(item: ReadItem): string[] {
  return [...new Set([...item.dependsOn, ...(item.meta?.sources ?? []).map(({ id }) => id)])];
}

/**
 * Looks at the graph that the records make, by id, before anything is written.
 * @throws CofferError DEPENDENCY_MISSING with all ids that nothing is known of, DEPENDENCY_CYCLE, DEPENDENCY_TOO_DEEP
 */
export function checkLineage(store: Store, manifests: readonly PlannedManifest[]): Outside {
  const graph = new Map<string, Set<string>>();
  for (const { read } of manifests) for (const { id } of read.items) graph.set(id, graph.get(id) ?? new Set());
  const outside = new Map<string, ArtifactRow>();
  const missing = new Set<string>();
  for (const { items } of manifests)
    for (const { item } of items)
      for (const origin of originsOf(item)) {
        if (graph.has(origin)) {
          graph.get(item.id)?.add(origin);
          continue;
        }
        const row = outside.get(origin) ?? inStore(store, origin);
        if (row) outside.set(origin, row);
        else missing.add(origin);
      }
  if (missing.size > 0) throw unknown([...missing]);
  checkOrder(store, manifests, graph, outside);
  return outside;
}

function inStore(store: Store, id: string): ArtifactRow | null {
  // also what was deleted since: its tombstone keeps lineage whole
  return artifacts.latestOfId(store.db, id, "any") ?? artifacts.latestOfName(store.db, id, "any");
}

function unknown(ids: readonly string[]): CofferError {
  return new CofferError(
    "DEPENDENCY_MISSING",
    `${ids.length === 1 ? "a dependency is" : `${ids.length} dependencies are`} neither in what is imported nor in the store`,
    { hint: "import the manifests that have them along with this one; nothing was stored", candidates: ids.slice(0, 1000) },
  );
}

/** Takes away what depends on nothing that is left, again and again; what remains stands in a circle. Counts the longest way on the way. */
function checkOrder(store: Store, manifests: readonly PlannedManifest[], graph: Map<string, Set<string>>, outside: Outside): void {
  const limit = store.settings.values.artifact_store.max_dependency_depth;
  const heights = heightsOutside(store, manifests, outside, limit);
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
function heightsOutside(store: Store, manifests: readonly PlannedManifest[], outside: Outside, limit: number): Map<string, number> {
  const heights = new Map<string, number>();
  const known = new Map<number, number>();
  for (const { items } of manifests)
    for (const { item } of items)
      for (const origin of originsOf(item)) {
        const row = outside.get(origin);
        if (!row) continue;
        const height = known.get(row.seq) ?? edges.depth(store.db, [row.seq], limit);
        known.set(row.seq, height);
        heights.set(item.id, Math.max(heights.get(item.id) ?? 0, height + 1));
      }
  return heights;
}
