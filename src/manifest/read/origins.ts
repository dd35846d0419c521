import type { ArtifactMark, BlockEdge, ItemBlock } from "./coffer-block.ts";
import type { ReadItem } from "./read-item.ts";

interface Said {
  item: Pick<ReadItem, "dependsOn" | "meta">;
  block: Pick<ItemBlock, "edges" | "sources"> | undefined;
}

/** The models that a meta-model is fed, in the order of its features. */
export function sourcesOf({ item, block }: Said): ArtifactMark[] {
  return block?.sources ?? (item.meta?.sources ?? []).map(({ id }) => ({ id, version: undefined, uid: undefined }));
}

/**
 * What a record was made from, in order: the edges that the block names one by one, then each id of the format's own keys that it says nothing of, once: as a
 * source where it is one, else as an input.
 */
export function originsOf({ item, block }: Said): BlockEdge[] {
  const edges = block?.edges ?? [];
  const sourceIds = new Set(item.meta?.sources.map(({ id }) => id));
  // a manifest of the store itself names edges by uid, and all of them
  const isWhole = edges.some(({ id, uid }) => id === uid);
  const named = new Set(edges.map(({ id }) => id));
  const others = isWhole ? [] : [...new Set([...item.dependsOn, ...sourceIds])].filter((id) => !named.has(id));
  return [
    ...edges,
    ...others.map((id) => ({ id, version: undefined, uid: undefined, role: sourceIds.has(id) ? "source" : "input", implicit: false })),
  ];
}

/** Records by all that may be said of them: a later one of the same id and manifest is what the id alone means. */
export class Marked<T> {
  readonly #found = new Map<string, T>();

  add(manifest: string, { id, version, uid }: ArtifactMark, value: T): void {
    if (uid !== undefined) this.#found.set(`uid ${uid}`, value);
    for (const scope of ["", manifest]) {
      if (version !== undefined) this.#found.set(`v${version} ${scope} ${id}`, value);
      this.#found.set(`id ${scope} ${id}`, value);
    }
  }

  /** One of the same manifest, where there are several. */
  find(manifest: string, { id, version, uid }: ArtifactMark): T | undefined {
    if (uid !== undefined && this.#found.has(`uid ${uid}`)) return this.#found.get(`uid ${uid}`);
    const how = version === undefined ? "id" : `v${version}`;
    if (uid !== undefined && version === undefined) return undefined;
    return this.#found.get(`${how} ${manifest} ${id}`) ?? this.#found.get(`${how}  ${id}`);
  }
}
