import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as edges from "../db/records/edges.ts";
import * as events from "../db/records/events.ts";
import * as metaSources from "../db/records/meta-sources.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/** Something that an artifact was made from, and what it was to it; `input` unless said. */
export interface Dependency {
  artifact: ArtifactRow;
  role?: string | undefined;
}

export interface Origins {
  /** Named by someone; in order. */
  dependsOn?: readonly Dependency[];
  /** Of a meta-model: the models whose predictions it is fed, in the order of its features. */
  sources?: readonly ArtifactRow[];
  /** Follows from what the run read. */
  readBefore?: readonly ArtifactRow[];
}

/** What follows from a run's inputs stands behind all that somebody named. */
const IMPLICIT_POSITION = 1000;

/**
 * Of a new record. It has nothing below it yet, so rows never form a cycle; what is refused is one of ids, through another one. A version that is made from an older one
 * of its own id (a model that is trained further) is none.
 * @throws CofferError DEPENDENCY_CYCLE, DEPENDENCY_TOO_DEEP for what somebody named; what a run read is as it is
 */
export function checkOrigins(store: Store, id: string, origins: Origins): void {
  const explicit = named(origins).map(({ artifact }) => artifact);
  refuseCycle(
    store,
    id,
    explicit.filter((dependency) => dependency.id !== id),
  );
  refuseDepth(store, explicit);
}

function refuseCycle(store: Store, id: string, explicit: readonly ArtifactRow[]): void {
  const closes = (dependencies: readonly ArtifactRow[]): boolean => edges.reachesId(store.db, seqs(dependencies), id);
  if (closes(explicit)) {
    const dependency = explicit.find((one) => closes([one])) as ArtifactRow;
    throw new CofferError("DEPENDENCY_CYCLE", `“${id}” cannot depend on “${dependency.id}”, which depends on “${id}”`, {
      hint: "leave out this --depends-on; nothing was stored",
    });
  }
}

function refuseDepth(store: Store, explicit: readonly ArtifactRow[]): void {
  if (reachesTooDeep(store, explicit)) {
    const dependency = explicit.find((one) => reachesTooDeep(store, [one])) as ArtifactRow;
    throw new CofferError(
      "DEPENDENCY_TOO_DEEP",
      `a chain of dependencies longer than ${depthLimit(store)} ends in “${artifactRef(dependency)}”`,
      {
        hint: "raise artifact_store.max_dependency_depth if this is meant; nothing was stored",
      },
    );
  }
}

/** Writes the edges of a new artifact, and the sources of a meta-model. */
export function recordOrigins(store: Store, artifact: Pick<ArtifactRow, "seq" | "id" | "run">, origins: Origins): void {
  const explicit = named(origins);
  const known = new Set([artifact.seq, ...explicit.map((dependency) => dependency.artifact.seq)]);
  const implicit = (origins.readBefore ?? []).filter((dependency) => !known.has(dependency.seq));
  edges.insert(
    store.db,
    artifact.seq,
    explicit.map(({ artifact: dependency, role }, position) => ({ dependency: dependency.seq, role, position, implicit: false })),
  );
  edges.insert(
    store.db,
    artifact.seq,
    implicit.map(({ seq }, position) => ({ dependency: seq, role: "input", position: IMPLICIT_POSITION + position, implicit: true })),
  );
  metaSources.insert(
    store.db,
    artifact.seq,
    (origins.sources ?? []).map((source) => source.seq),
  );
  const note = (kind: string, message: string): void =>
    events.record(store.db, { at: store.now(), run: artifact.run, artifact: artifact.seq, kind, message });
  if (implicit.length === 0) return;
  if (isDeep(store, origins.readBefore ?? [])) note("deep", `what the run had read reaches deeper than ${depthLimit(store)}`);
  const others = implicit.filter((dependency) => dependency.id !== artifact.id);
  if (edges.reachesId(store.db, seqs(others), artifact.id, artifact.seq))
    note("circle", `what the run had read was made from an older version of “${artifact.id}”`);
}

/** What somebody says later of an artifact that is there already stands behind what was said before. */
export function addDependencies(store: Store, artifact: Pick<ArtifactRow, "seq" | "id">, dependsOn: readonly Dependency[]): void {
  const explicit = dependsOn.map((dependency) => dependency.artifact);
  // it is there: a later version of its id may have been made from it
  refuseCycle(store, artifact.id, explicit);
  refuseDepth(store, explicit);
  const before = edges.dependencies(store.db, artifact.seq).filter((edge) => edge.implicit === 0).length;
  edges.insert(
    store.db,
    artifact.seq,
    named({ dependsOn }).map(({ artifact: { seq }, role }, index) => ({
      dependency: seq,
      role,
      position: before + index,
      implicit: false,
    })),
  );
}

function named({ dependsOn = [], sources = [] }: Origins): { artifact: ArtifactRow; role: string }[] {
  return [
    ...dependsOn.map(({ artifact, role = "input" }) => ({ artifact, role })),
    ...sources.map((artifact) => ({ artifact, role: "source" })),
  ];
}

/** What is known of lists of what a run had read: each of its many outputs comes with the same one. */
const deep = new WeakMap<readonly ArtifactRow[], boolean>();

function isDeep(store: Store, readBefore: readonly ArtifactRow[]): boolean {
  const known = deep.get(readBefore) ?? reachesTooDeep(store, readBefore);
  deep.set(readBefore, known);
  return known;
}

/** Whether what is made from these would stand at the end of a chain that is longer than the limit. */
function reachesTooDeep(store: Store, dependencies: readonly ArtifactRow[]): boolean {
  const limit = depthLimit(store);
  return dependencies.length > 0 && edges.depth(store.db, seqs(dependencies), limit - 1) >= limit;
}

function depthLimit(store: Store): number {
  return store.settings.values.artifact_store.max_dependency_depth;
}

function seqs(artifacts: readonly ArtifactRow[]): number[] {
  return artifacts.map(({ seq }) => seq);
}
