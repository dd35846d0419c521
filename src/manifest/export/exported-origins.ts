import * as edges from "../../db/records/edges.ts";
import { onlyOfId } from "../../db/records/exported-runs.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as metaSources from "../../db/records/meta-sources.ts";
import type { Store } from "../../store/store.ts";
import { originsOf } from "../read/origins.ts";
import type { Plain } from "../read/yaml.ts";

/** What an artifact was made from, as a manifest says it. */
export interface ExportedOrigins {
  /** The ids, each once: all that the format has a place for. */
  dependsOn: string[];
  /** Edges and sources one by one, by uid and version; undefined where the ids alone mean the same to whoever reads them. */
  marks: { edges: Plain; meta_sources: Plain } | undefined;
}

/** `own`: all that the manifest tells of, that in sight first. `rowOf` asks for any artifact. */
export class OriginsExporter {
  readonly #store: Store;
  readonly #rowOf: (seq: number) => ArtifactRow;
  readonly #own: ReadonlyMap<string, readonly number[]>;

  constructor(store: Store, own: readonly ArtifactRow[], rowOf: (seq: number) => ArtifactRow) {
    this.#store = store;
    this.#rowOf = rowOf;
    const seqs = Map.groupBy(own, ({ id }) => id);
    this.#own = new Map([...seqs].map(([id, rows]) => [id, rows.map(({ seq }) => seq)]));
  }

  of(artifact: ArtifactRow): ExportedOrigins {
    const { db } = this.#store;
    const its = edges.dependencies(db, artifact.seq);
    const sources = metaSources.ofArtifact(db, artifact.seq);
    const dependsOn = [...new Set(its.map(({ dependency }) => this.#rowOf(dependency).id))];
    const sourceIds = sources.map(({ source, feature_index }) => ({ id: this.#rowOf(source).id, index: feature_index }));
    const plain = originsOf({ item: { dependsOn, meta: { sources: sourceIds, columns: [] } }, block: undefined });
    const isPlain =
      plain.length === its.length &&
      plain.every(({ id, role }, nth) => {
        const edge = its[nth];
        return edge?.implicit === 0 && edge.role === role && edge.dependency === this.#meantBy(id);
      }) &&
      sources.every(({ source }) => source === this.#meantBy(this.#rowOf(source).id));
    return { dependsOn, marks: isPlain ? undefined : { edges: this.#edges(its), meta_sources: this.#sources(sources) } };
  }

  /** What an import would take an id for; undefined where it may be one of several. */
  #meantBy(id: string): number | undefined {
    const own = this.#own.get(id);
    if (own) return own.length === 1 ? own[0] : undefined;
    return onlyOfId(this.#store.db, id) ?? undefined;
  }

  #edges(its: ReturnType<typeof edges.dependencies>): Plain {
    return its.map(({ dependency, role, implicit }) => {
      const { id, version, uid } = this.#rowOf(dependency);
      return { to: id, version, uid, role, implicit: implicit === 1 ? true : undefined };
    });
  }

  #sources(its: ReturnType<typeof metaSources.ofArtifact>): Plain {
    if (its.length === 0) return undefined;
    return its.map(({ source, feature_index }) => {
      const { id, version, uid } = this.#rowOf(source);
      return { feature_index, artifact_id: id, version, source: uid };
    });
  }
}
