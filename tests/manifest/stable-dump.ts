import { Database } from "bun:sqlite";

/**
 * All that a database says, in words that another one of the same store says too: rows by their lasting keys in place of their numbers.
 * Left out is what docs/decisions.md names as lost with a database.
 */
export function stableDump(path: string): Record<string, string[]> {
  using db = new Database(path);
  const dump: Record<string, string[]> = {};
  for (const [table, query] of Object.entries(QUERIES))
    dump[table] = (db.query(query).values() as unknown[][]).map((row) => JSON.stringify(row, plain)).sort();
  // SQLite does not care for the case of a table's name
  const tables = (
    db.query("SELECT lower(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").values() as [string][]
  ).map(([name]) => name);
  // a table that nobody thought of here would be lost unseen
  const forgotten = tables.filter((name) => !(name in QUERIES) && !LOST.includes(name));
  if (forgotten.length > 0) throw new Error(`nobody compares the tables ${forgotten.join(", ")}`);
  return dump;
}

/** Processes, use, caches, half-done uploads: they say nothing of what the store has. */
const LOST = [
  "blob_uses",
  "cache_entries",
  "leases",
  "lease_blobs",
  "lease_entries",
  "uploads",
  "upload_parts",
  "staged_outputs",
  "sources",
  "damage",
  "journal",
];

const RUN = (seq: string): string => `(SELECT id FROM runs WHERE seq = ${seq})`;
const UID = (seq: string): string => `(SELECT uid FROM artifacts WHERE seq = ${seq})`;
const HEX = (seq: string): string => `(SELECT lower(hex(ifnull(blake3, sha256))) FROM blobs WHERE seq = ${seq})`;
const DELIVERY = (seq: string): string => `(SELECT ${RUN("d.run")} || ' ' || d.target FROM deliveries d WHERE d.seq = ${seq})`;

const QUERIES: Record<string, string> = {
  // counters of the cache are lost; so is that nobody had rebuilt it
  store: "SELECT key, value FROM store WHERE key IN ('id', 'created_at', 'cache.max_size', 'cache.max_entries')",
  runs: `SELECT seq, id, kind, name, ${RUN("runs.parent")}, state, adopted, exit_code, signal, started_at, ended_at, json(command), directory, host, user, json(environment),
    policy, workspace, workspace_state, dataset, pipeline, json(branch), step, sub_step, fold, code_commit, code_branch, code_remote, code_dirty, cpu_user_ms, cpu_system_ms,
    max_rss, note, json(configuration), removed_at, json(extra) FROM runs`,
  params: `SELECT ${RUN("run")}, key, value FROM params`,
  tags: `SELECT ${RUN("run")}, key, value FROM tags`,
  metric_points: `SELECT ${RUN("run")}, row_number() OVER (PARTITION BY run ORDER BY seq), key, value, step, time FROM metric_points`,
  packs: "SELECT id, path, dataset, size, mtime_ns, ctime_ns, inode FROM packs",
  // what gc is about to take is condemned again by the next one
  blobs: `SELECT lower(hex(blake3)), lower(hex(sha256)), size, iif(state = 'unverified', state, 'live'), dataset, place, path, (SELECT id FROM packs WHERE seq = pack), offset,
    mtime_ns, ctime_ns, inode FROM blobs`,
  tree_members: `SELECT ${HEX("tree")}, ${HEX("member")} FROM tree_members`,
  series: "SELECT key, last_version FROM series",
  artifacts: `SELECT seq, uid, id, ${RUN("run")}, name, version, state, state_at, role, deliver, kind, ${HEX("blob")}, digest, size, files, mode, path, type, class, dataset, pipeline,
    json(branch), step, sub_step, fold, format, format_version, description, json(params), json(metrics), json(feature_columns), code_commit, created_at, json(extra) FROM artifacts`,
  artifact_tags: `SELECT ${UID("artifact")}, key, value FROM artifact_tags`,
  edges: `SELECT ${UID("artifact")}, ${UID("dependency")}, role, position, implicit, changed FROM edges`,
  meta_sources: `SELECT ${UID("artifact")}, feature_index, ${UID("source")} FROM meta_sources`,
  run_inputs: `SELECT ${RUN("run")}, position, ${UID("artifact")}, path, digest, size, how, changed FROM run_inputs`,
  aliases: `SELECT name, alias, ${UID("artifact")}, set_at FROM aliases`,
  pins: `SELECT ${UID("artifact")}, note, set_at FROM pins`,
  deliveries: `SELECT ${RUN("run")}, target, experiment, state, remote_experiment, remote_run, artifact_uri,
    (SELECT count(*) FROM metric_points m WHERE m.run = deliveries.run AND m.seq <= metrics_sent), note_sent, attached, tries, retried, late_runs, late_models, last_error, updated_at, synced_at FROM deliveries`,
  outbox: `SELECT ${DELIVERY("delivery")}, step, ${UID("artifact")}, settled_at, tries, failures, error, how, bytes FROM outbox`,
  // what belongs to no run is lost
  events: `SELECT at, ${RUN("run")}, ${UID("artifact")}, kind, message FROM events WHERE run IS NOT NULL`,
};

function plain(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
