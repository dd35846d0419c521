import type { Database } from "bun:sqlite";

/** Writes the models that a meta-model was made of; their place in the list is their feature's index. */
export function insert(db: Database, artifact: number, sources: readonly number[]): void {
  const statement = db.query("INSERT INTO meta_sources (artifact, feature_index, source) VALUES (?, ?, ?)");
  for (const [index, source] of sources.entries()) statement.run(artifact, index, source);
}

/** By feature index; empty for what is no meta-model. */
export function ofArtifact(db: Database, artifact: number): { feature_index: number; source: number }[] {
  return db
    .query<{ feature_index: number; source: number }, [number]>(
      "SELECT feature_index, source FROM meta_sources WHERE artifact = ? ORDER BY feature_index",
    )
    .all(artifact);
}
