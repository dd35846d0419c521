import type { Database } from "bun:sqlite";

/** One function a table, that takes its columns in order. */
export type Inserters = Record<
  | "run"
  | "param"
  | "tag"
  | "point"
  | "input"
  | "pack"
  | "artifact"
  | "artifactTag"
  | "blob"
  | "edge"
  | "pin"
  | "alias"
  | "source"
  | "stack",
  (...values: (string | number | Uint8Array | null)[]) => void
>;

/** Statements prepared once. */
export function inserters(db: Database): Inserters {
  const into = (table: string, columns: string, fixed: Record<string, string> = {}) => {
    const names = columns.split(", ");
    const all = [...names, ...Object.keys(fixed)].join(", ");
    const statement = db.query<never, (string | number | Uint8Array | null)[]>(
      `INSERT INTO ${table} (${all}) VALUES (${[...names.map(() => "?"), ...Object.values(fixed)].join(", ")})`,
    );
    return (...values: (string | number | Uint8Array | null)[]) => void statement.run(...values);
  };
  const stack = db.query<never, (string | number | Uint8Array | null)[]>(
    `UPDATE artifacts SET type = 'meta_model', feature_columns = '["a","b","c","d"]' WHERE seq = ?`,
  );
  return {
    run: into("runs", "seq, id, name, state, exit_code, started_at, ended_at, command, directory, dataset, pipeline, branch, code_commit", {
      kind: "'wrapped'",
      host: "'bench'",
      code_dirty: "0",
    }),
    param: into("params", "run, key, value"),
    tag: into("tags", "run, key, value"),
    point: into("metric_points", "run, key, value, step, time"),
    input: into("run_inputs", "run, artifact, digest, size", { position: "0", how: "'declared'" }),
    pack: into("packs", "seq, id, path, created_at", { dataset: "'default'", size: "1048576" }),
    artifact: into(
      "artifacts",
      "seq, uid, id, run, name, version, state, state_at, role, blob, digest, size, path, type, class, dataset, pipeline, branch, step, fold, metrics, created_at",
      { kind: "'file'", mode: "420" },
    ),
    artifactTag: into("artifact_tags", "artifact, key, value"),
    blob: into("blobs", "seq, blake3, size, dataset, place, path, pack, offset, created_at", { state: "'live'" }),
    edge: into("edges", "artifact, dependency, role, position, implicit"),
    pin: into("pins", "artifact, set_at"),
    alias: into("aliases", "name, alias, artifact, set_at"),
    source: into("meta_sources", "artifact, feature_index, source"),
    stack: (...values) => void stack.run(...values),
  };
}
