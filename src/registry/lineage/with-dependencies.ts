import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as edges from "../../db/records/edges.ts";
import type { GraphEdge } from "../../db/records/edges.ts";
import { dependencyOrder } from "../../domain/dependency-order.ts";
import type { Store } from "../../store/store.ts";

/**
 * An artifact and all that it was made from, however far back, whether somebody named it or a run read it: each once, dependencies first, those of one artifact
 * in the order in which they were named. `gone` are those whose bytes were deleted; what they were made from is in `there` all the same.
 */
export function withDependencies(store: Store, artifact: ArtifactRow): { there: ArtifactRow[]; gone: ArtifactRow[] } {
  const found: GraphEdge[] = [];
  edges.walk(store.db, artifact.seq, "up", Number.POSITIVE_INFINITY, (edge) => found.push(edge));
  found.sort((one, other) => one.position - other.position || one.dependency - other.dependency);
  const dependencies = Map.groupBy(found, (edge) => edge.artifact);
  const order = dependencyOrder([artifact.seq], (seq) => (dependencies.get(seq) ?? []).map((edge) => edge.dependency));
  const rows = order.map((seq) => (seq === artifact.seq ? artifact : (artifacts.bySeq(store.db, seq) as ArtifactRow)));
  return { there: rows.filter((row) => row.blob !== null), gone: rows.filter((row) => row.blob === null) };
}
