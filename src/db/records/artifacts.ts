import type { Database } from "bun:sqlite";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import { distinct } from "./distinct.ts";
import { ofDataset } from "./of-dataset.ts";

export type ArtifactState = "live" | "withdrawn" | "removed" | "deleted";
/** output: found in a workspace; logged: named by someone; log, code: what coffer captured; imported: by a manifest. */
export type ArtifactRole = "output" | "logged" | "log" | "code" | "imported";

export interface ArtifactRow {
  seq: number;
  uid: string;
  id: string;
  run: number;
  name: string | null;
  version: number;
  state: ArtifactState;
  state_at: number;
  role: ArtifactRole;
  /** 0: MLflow is not told of it. */
  deliver: number;
  kind: "file" | "tree";
  blob: number | null;
  digest: string;
  size: number;
  files: number;
  mode: number;
  path: string;
  type: ArtifactType;
  class: string | null;
  dataset: string | null;
  pipeline: string | null;
  /** JSON list of numbers. */
  branch: string;
  step: number | null;
  sub_step: number | null;
  fold: number | null;
  format: string | null;
  format_version: string | null;
  description: string | null;
  /** JSON. */
  params: string;
  /** JSON. */
  metrics: string;
  /** JSON list, or null. */
  feature_columns: string | null;
  code_commit: string | null;
  created_at: number;
  /** JSON. */
  extra: string;
}

export type NewArtifact = Omit<ArtifactRow, "seq" | "version" | "state" | "state_at" | "deliver"> & { deliver?: number };

/**
 * Inserts an artifact, live or without a blob a tombstone, with the next version of its name (of its id, where it has no name). Called inside a write transaction:
 * that is what makes fifty saves at once fifty versions.
 */
export function insert(db: Database, artifact: NewArtifact): { seq: number; version: number } {
  const series = artifact.name === null ? `id ${artifact.id}` : `name ${artifact.name}`;
  const version = (
    db
      .query<{ last_version: number }, [string]>(
        "INSERT INTO series (key, last_version) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET last_version = last_version + 1 RETURNING last_version",
      )
      .get(series) as { last_version: number }
  ).last_version;
  const columns = COLUMNS as readonly (keyof NewArtifact)[];
  const statement = db.query(
    `INSERT INTO artifacts (version, state, state_at, ${columns.join(", ")}) VALUES (?, ?, ?, ${columns.map(() => "?").join(", ")})`,
  );
  const seq = Number(
    statement.run(
      version,
      artifact.blob === null ? "deleted" : "live",
      artifact.created_at,
      ...columns.map((column) => artifact[column] ?? (column === "deliver" ? 1 : null)),
    ).lastInsertRowid,
  );
  return { seq, version };
}

const COLUMNS = [
  "uid",
  "id",
  "run",
  "name",
  "role",
  "deliver",
  "kind",
  "blob",
  "digest",
  "size",
  "files",
  "mode",
  "path",
  "type",
  "class",
  "dataset",
  "pipeline",
  "branch",
  "step",
  "sub_step",
  "fold",
  "format",
  "format_version",
  "description",
  "params",
  "metrics",
  "feature_columns",
  "code_commit",
  "created_at",
  "extra",
] as const satisfies readonly (keyof NewArtifact)[];

export function bySeq(db: Database, seq: number): ArtifactRow | null {
  return db.query<ArtifactRow, [number]>("SELECT * FROM artifacts WHERE seq = ?").get(seq);
}

/** live: in sight; kept: also what was withdrawn or removed and can come back; any: tombstones too. */
export type Scope = "live" | "kept" | "any";
const IN_SCOPE: Record<Scope, string> = { live: "state = 'live'", kept: "state <> 'deleted'", any: "1" };

/** Those of a run, by path, the oldest version of a path first. */
export function ofRun(db: Database, run: number, scope: Scope = "live"): ArtifactRow[] {
  return db.query<ArtifactRow, [number]>(`SELECT * FROM artifacts WHERE run = ? AND ${IN_SCOPE[scope]} ORDER BY path, seq`).all(run);
}

/** The newest version of a name. */
export function latestOfName(db: Database, name: string, scope: Scope = "live"): ArtifactRow | null {
  return db
    .query<ArtifactRow, [string]>(`SELECT * FROM artifacts WHERE name = ? AND ${IN_SCOPE[scope]} ORDER BY version DESC LIMIT 1`)
    .get(name);
}

export function versionOfName(db: Database, name: string, version: number, scope: Scope = "live"): ArtifactRow | null {
  return db
    .query<ArtifactRow, [string, number]>(`SELECT * FROM artifacts WHERE name = ? AND version = ? AND ${IN_SCOPE[scope]}`)
    .get(name, version);
}

/** The newest of a name that a run made. */
export function ofNameInRun(db: Database, name: string, run: number, scope: Scope = "live"): ArtifactRow | null {
  return db
    .query<ArtifactRow, [string, number]>(
      `SELECT * FROM artifacts WHERE name = ? AND run = ? AND ${IN_SCOPE[scope]} ORDER BY version DESC LIMIT 1`,
    )
    .get(name, run);
}

/** The newest with an id, whatever its name. */
export function latestOfId(db: Database, id: string, scope: Scope = "live"): ArtifactRow | null {
  return db.query<ArtifactRow, [string]>(`SELECT * FROM artifacts WHERE id = ? AND ${IN_SCOPE[scope]} ORDER BY seq DESC LIMIT 1`).get(id);
}

/** A version of an id that has no name. */
export function versionOfId(db: Database, id: string, version: number, scope: Scope = "live"): ArtifactRow | null {
  return db
    .query<ArtifactRow, [string, number]>(
      `SELECT * FROM artifacts WHERE id = ? AND version = ? AND ${IN_SCOPE[scope]} ORDER BY seq DESC LIMIT 1`,
    )
    .get(id, version);
}

/** The newest of a run at exactly a path. */
export function atPath(db: Database, run: number, path: string, scope: Scope = "live"): ArtifactRow | null {
  return db
    .query<ArtifactRow, [number, string]>(
      `SELECT * FROM artifacts WHERE run = ? AND path = ? AND ${IN_SCOPE[scope]} ORDER BY seq DESC LIMIT 1`,
    )
    .get(run, path);
}

/** The newest artifact in sight of each blob, at most `limit`, newest first. */
export function ofBlobs(db: Database, blobs: readonly number[], limit: number, scope: Scope = "live"): ArtifactRow[] {
  return db
    .query<ArtifactRow, [string, number]>(
      // one step down the index for each blob: thousands of artifacts may share one
      `SELECT * FROM artifacts WHERE seq IN (
         SELECT (SELECT seq FROM artifacts WHERE blob = value AND ${IN_SCOPE[scope]} ORDER BY seq DESC LIMIT 1) FROM json_each(?)
       ) ORDER BY seq DESC LIMIT ?`,
    )
    .all(JSON.stringify(blobs), limit);
}

/** The newest in sight with exactly this content: one that was kept from a file of this name, where there is one. */
export function latestOfDigest(db: Database, digest: string, name: string): ArtifactRow | null {
  const [algorithm, hex = ""] = digest.split(":");
  return db
    .query<ArtifactRow, [Uint8Array, string]>(
      `SELECT * FROM (SELECT * FROM artifacts WHERE blob = (SELECT seq FROM blobs WHERE ${algorithm === "sha256" ? "sha256" : "blake3"} = ?1) AND state = 'live' ORDER BY seq DESC LIMIT 1000)
       ORDER BY path = ?2 OR substr(path, -length(?2) - 1) = '/' || ?2 DESC, seq DESC LIMIT 1`,
    )
    .get(Buffer.from(hex, "hex"), name);
}

export function setState(db: Database, seq: number, state: Exclude<ArtifactState, "deleted">, at: number): void {
  db.query("UPDATE artifacts SET state = ?, state_at = ? WHERE seq = ?").run(state, at, seq);
}

/** A newer one takes its path: MLflow is told of that one. */
export function keepFromDelivery(db: Database, seq: number): void {
  db.query("UPDATE artifacts SET deliver = 0 WHERE seq = ?").run(seq);
  db.query("DELETE FROM outbox WHERE artifact = ? AND settled_at IS NULL").run(seq);
}

/** It was held back, and now somebody logs it with nothing against that. */
export function allowDelivery(db: Database, seq: number): void {
  db.query("UPDATE artifacts SET deliver = 1 WHERE seq = ?").run(seq);
}

/** Makes one, or many at once, tombstones: digest, size, maker and edges stay. */
export function entomb(db: Database, seqs: number | readonly number[], at: number): void {
  const given = JSON.stringify([seqs].flat());
  const some = "(SELECT value FROM json_each(?1))";
  db.query(`UPDATE artifacts SET state = 'deleted', state_at = ?2, blob = NULL WHERE seq IN ${some}`).run(given, at);
  db.query(`DELETE FROM aliases WHERE artifact IN ${some}`).run(given);
  db.query(`DELETE FROM pins WHERE artifact IN ${some}`).run(given);
}

/** Names in their order, also of what is out of sight: for the error that lists candidates. */
export function names(db: Database, limit: number): string[] {
  return distinct(db, { table: "artifacts", column: "name" }, limit);
}

/** Those of a name in sight, the newest first. */
export function versionsOfName(db: Database, name: string): number[] {
  return db
    .query<{ version: number }, [string]>("SELECT version FROM artifacts WHERE name = ? AND state = 'live' ORDER BY version DESC")
    .all(name)
    .map((row) => row.version);
}

export interface ArtifactFilter {
  name?: string;
  type?: string;
  /** seq of a run. */
  run?: number;
  pipeline?: string;
  dataset?: string;
  /** All must hold; on the artifact or on its run. */
  tags?: readonly (readonly [string, string | undefined])[];
  states?: readonly ArtifactState[];
  limit?: number;
}

/** The newest first. */
export function list(db: Database, filter: ArtifactFilter): ArtifactRow[] {
  const { clauses, values } = filterClauses(db, filter);
  return db
    .query<ArtifactRow, (string | number)[]>(
      `SELECT a.* FROM artifacts a WHERE ${clauses.join(" AND ")} ORDER BY a.seq DESC LIMIT ?${values.push(filter.limit ?? -1)}`,
    )
    .all(...values);
}

/** What a filter asks of a row `a` of artifacts, as clauses with numbered parameters. */
export function filterClauses(db: Database, filter: ArtifactFilter): { clauses: string[]; values: (string | number)[] } {
  const values: (string | number)[] = [];
  const bind = (value: string | number): string => `?${values.push(value)}`;
  const clauses = (["name", "type", "run", "pipeline"] as const).flatMap((column) => {
    const value = filter[column];
    return value === undefined ? [] : [`a.${column} = ${bind(value)}`];
  });
  if (filter.dataset !== undefined) clauses.push(ofDataset("a.dataset", filter.dataset, bind(filter.dataset)));
  for (const [key, value] of filter.tags ?? []) {
    const test = `key = ${bind(key)}${value === undefined ? "" : ` AND value = ${bind(value)}`}`;
    clauses.push(
      isRare(db, key, value)
        ? `a.seq IN (SELECT artifact FROM artifact_tags WHERE ${test} UNION SELECT o.seq FROM tags t CROSS JOIN artifacts o ON o.run = t.run WHERE ${test})`
        : `(EXISTS (SELECT 1 FROM artifact_tags WHERE artifact = a.seq AND ${test}) OR EXISTS (SELECT 1 FROM tags t WHERE t.run = a.run AND ${test}))`,
    );
  }
  clauses.push(`a.state IN (${(filter.states ?? ["live"]).map(bind).join(", ")})`);
  return { clauses, values };
}

/** A rare tag says which artifacts to look at; for a common one they are asked one by one, the newest first, until there are enough. */
function isRare(db: Database, key: string, value: string | undefined): boolean {
  const test = value === undefined ? "key = ?1" : "key = ?1 AND value = ?2";
  const { count } = db
    .query<{ count: number }, string[]>(
      `SELECT count(*) AS count FROM (SELECT 1 FROM tags WHERE ${test} UNION ALL SELECT 1 FROM artifact_tags WHERE ${test} LIMIT 2000)`,
    )
    .get(...(value === undefined ? [key] : [key, value])) as { count: number };
  return count < 2000;
}
