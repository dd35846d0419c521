-- Times are milliseconds since 1970. Digests are 32 raw bytes. Paths are relative to the store's root, absolute ones begin with '/'.
-- An id or uid is unique across machines (UUIDv7); seq is the order in which this store saw a row.

CREATE TABLE store (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Runs ------------------------------------------------------------------------------------------------------------

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('wrapped', 'log', 'import')),
  name TEXT,
  parent INTEGER REFERENCES runs (seq),
  state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'killed')),
  adopted INTEGER NOT NULL DEFAULT 0,           -- closed by another command, since its wrapper had died
  exit_code INTEGER,
  signal TEXT,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  command TEXT,                                 -- JSON list, secrets redacted
  directory TEXT,
  host TEXT,
  user TEXT,
  environment TEXT NOT NULL DEFAULT '{}',       -- JSON: the allow-listed variables and the machine
  policy TEXT CHECK (policy IN ('separated', 'scratch')),
  workspace TEXT,
  workspace_state TEXT CHECK (workspace_state IN ('present', 'removing', 'removed')),
  dataset TEXT,
  pipeline TEXT,
  branch TEXT NOT NULL DEFAULT '[]',            -- JSON list of numbers
  step INTEGER,
  sub_step INTEGER,
  fold INTEGER,                                 -- NULL is all
  code_commit TEXT,
  code_branch TEXT,
  code_remote TEXT,
  code_dirty INTEGER,
  cpu_user_ms INTEGER,
  cpu_system_ms INTEGER,
  max_rss INTEGER,                              -- bytes
  note TEXT,
  configuration TEXT NOT NULL DEFAULT '{}',     -- JSON: the checked configuration, secrets out
  removed_at INTEGER,                           -- taken out of sight by `rm`
  manifest TEXT CHECK (manifest IN ('due', 'written'))
) STRICT;
CREATE INDEX runs_by_name ON runs (name) WHERE name IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_by_pipeline ON runs (pipeline, step) WHERE pipeline IS NOT NULL;
CREATE INDEX runs_running ON runs (seq) WHERE state = 'running';
CREATE INDEX runs_ended ON runs (state, ended_at);
CREATE INDEX runs_manifest_due ON runs (seq) WHERE manifest = 'due';
CREATE INDEX runs_removing ON runs (seq) WHERE workspace_state = 'removing';

CREATE TABLE params (
  run INTEGER NOT NULL REFERENCES runs (seq),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tags (
  run INTEGER NOT NULL REFERENCES runs (seq),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_key ON tags (key, value);

-- Every point that was logged, in order of arrival.
CREATE TABLE metric_points (
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (seq),
  key TEXT NOT NULL,
  value REAL,                                   -- NULL is NaN, which SQLite cannot hold; infinities it can
  step INTEGER NOT NULL,
  time INTEGER NOT NULL
) STRICT;
CREATE INDEX metric_points_by_key ON metric_points (run, key, step, time);

-- Bytes -----------------------------------------------------------------------------------------------------------

CREATE TABLE packs (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL UNIQUE,
  dataset TEXT NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER,  -- of the file when it was written
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE blobs (
  seq INTEGER PRIMARY KEY,
  blake3 BLOB UNIQUE CHECK (length(blake3) = 32),
  sha256 BLOB CHECK (length(sha256) = 32),
  size INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('live', 'unverified', 'condemned', 'trashed')),
  condemned_at INTEGER,
  dataset TEXT NOT NULL,
  place TEXT NOT NULL CHECK (place IN ('file', 'pack', 'foreign')),
  path TEXT,                                    -- place file: under the root; foreign: where an import left it
  pack INTEGER REFERENCES packs (seq),
  offset INTEGER,                               -- of the first byte in the pack
  mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER,  -- of a file when its bytes were last hashed
  created_at INTEGER NOT NULL,
  CHECK (blake3 IS NOT NULL OR sha256 IS NOT NULL),
  CHECK ((place = 'pack') = (pack IS NOT NULL))
) STRICT;
-- partial ones: a directory of 20,000 small files pays for each index that its packed blobs stand in
CREATE UNIQUE INDEX blobs_by_sha256 ON blobs (sha256) WHERE sha256 IS NOT NULL;
CREATE UNIQUE INDEX blobs_by_path ON blobs (path) WHERE path IS NOT NULL;
CREATE INDEX blobs_by_size ON blobs (size) WHERE place <> 'pack';
CREATE INDEX blobs_by_pack ON blobs (pack) WHERE pack IS NOT NULL;
CREATE INDEX blobs_going ON blobs (state) WHERE state IN ('condemned', 'trashed');
CREATE INDEX blobs_unread ON blobs (seq) WHERE state = 'unverified';

-- What the tree blob of a directory names.
CREATE TABLE tree_members (
  tree INTEGER NOT NULL REFERENCES blobs (seq),
  member INTEGER NOT NULL REFERENCES blobs (seq),
  PRIMARY KEY (tree, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX tree_members_by_member ON tree_members (member);

CREATE TABLE blob_uses (
  blob INTEGER PRIMARY KEY REFERENCES blobs (seq) ON DELETE CASCADE,
  last_used INTEGER NOT NULL,
  hits INTEGER NOT NULL
) STRICT;
CREATE INDEX blob_uses_by_time ON blob_uses (last_used);

CREATE TABLE cache_entries (
  path TEXT PRIMARY KEY,
  blob INTEGER NOT NULL,
  size INTEGER NOT NULL,
  stamp TEXT NOT NULL,                          -- tells whether anybody changed the copy
  created_at INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  hits INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX cache_entries_by_time ON cache_entries (last_used);

-- Artifacts -------------------------------------------------------------------------------------------------------

-- The last number given to a name (or to an id without a name): numbers are never given twice.
CREATE TABLE series (
  key TEXT PRIMARY KEY,
  last_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A row in state 'deleted' is a tombstone: its bytes are gone, digest, size and edges stay.
CREATE TABLE artifacts (
  seq INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  id TEXT NOT NULL,                             -- '<run id>/<path>' or an execution-path id; again is the next version
  run INTEGER NOT NULL REFERENCES runs (seq),
  name TEXT,
  version INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('live', 'withdrawn', 'removed', 'deleted')),
  state_at INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('output', 'logged', 'log', 'code', 'imported')),
  deliver INTEGER NOT NULL DEFAULT 1,           -- 0: it stays here, MLflow is not told of it
  kind TEXT NOT NULL CHECK (kind IN ('file', 'tree')),
  blob INTEGER REFERENCES blobs (seq),          -- the bytes, or the tree blob
  digest TEXT NOT NULL,                         -- algorithm:hex, kept when the blob is gone
  size INTEGER NOT NULL,                        -- of a tree: of all its files
  files INTEGER NOT NULL DEFAULT 1,
  mode INTEGER NOT NULL,
  path TEXT NOT NULL,
  type TEXT NOT NULL,
  class TEXT,
  dataset TEXT,
  pipeline TEXT,
  branch TEXT NOT NULL DEFAULT '[]',
  step INTEGER,
  sub_step INTEGER,
  fold INTEGER,
  format TEXT,
  format_version TEXT,
  description TEXT,
  params TEXT NOT NULL DEFAULT '{}',            -- JSON
  metrics TEXT NOT NULL DEFAULT '{}',           -- JSON; non-finite numbers as strings
  feature_columns TEXT,                         -- JSON list; of a meta-model
  code_commit TEXT,
  created_at INTEGER NOT NULL,
  extra TEXT NOT NULL DEFAULT '{}',             -- JSON: keys of a foreign manifest that are not ours
  CHECK ((state = 'deleted') = (blob IS NULL))
) STRICT;
CREATE UNIQUE INDEX artifacts_by_name ON artifacts (name, version) WHERE name IS NOT NULL;
CREATE INDEX artifacts_by_id ON artifacts (id, version);
CREATE INDEX artifacts_by_run ON artifacts (run, path);
CREATE INDEX artifacts_by_blob ON artifacts (blob) WHERE blob IS NOT NULL;
CREATE INDEX artifacts_by_step ON artifacts (pipeline, step) WHERE pipeline IS NOT NULL;
CREATE INDEX artifacts_by_type ON artifacts (type);
CREATE INDEX artifacts_by_dataset ON artifacts (dataset);
CREATE INDEX artifacts_buried ON artifacts (seq) WHERE state = 'deleted';
CREATE INDEX artifacts_out_of_sight ON artifacts (state, state_at) WHERE state IN ('withdrawn', 'removed');

CREATE TABLE artifact_tags (
  artifact INTEGER NOT NULL REFERENCES artifacts (seq),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (artifact, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_tags_by_key ON artifact_tags (key, value);

-- Lineage: artifact was made from dependency.
CREATE TABLE edges (
  artifact INTEGER NOT NULL REFERENCES artifacts (seq),
  dependency INTEGER NOT NULL REFERENCES artifacts (seq),
  role TEXT NOT NULL DEFAULT 'input',
  position INTEGER NOT NULL,
  implicit INTEGER NOT NULL,                    -- follows from what the run read; nobody named it
  changed INTEGER NOT NULL DEFAULT 0,           -- the input changed while the run was reading it
  PRIMARY KEY (artifact, dependency, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_by_dependency ON edges (dependency);

CREATE TABLE meta_sources (
  artifact INTEGER NOT NULL REFERENCES artifacts (seq),
  feature_index INTEGER NOT NULL,
  source INTEGER NOT NULL REFERENCES artifacts (seq),
  PRIMARY KEY (artifact, feature_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX meta_sources_by_source ON meta_sources (source);

-- What a run read: an artifact of ours, or a path outside with its digest when the run began.
CREATE TABLE run_inputs (
  run INTEGER NOT NULL REFERENCES runs (seq),
  position INTEGER NOT NULL,
  artifact INTEGER REFERENCES artifacts (seq),
  path TEXT,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  how TEXT NOT NULL CHECK (how IN ('declared', 'got')),
  changed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_inputs_by_artifact ON run_inputs (artifact) WHERE artifact IS NOT NULL;

CREATE TABLE aliases (
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  artifact INTEGER NOT NULL REFERENCES artifacts (seq),
  set_at INTEGER NOT NULL,
  PRIMARY KEY (name, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_by_artifact ON aliases (artifact);

CREATE TABLE pins (
  artifact INTEGER PRIMARY KEY REFERENCES artifacts (seq),
  note TEXT,
  set_at INTEGER NOT NULL
) STRICT;

-- Processes -------------------------------------------------------------------------------------------------------

-- A lease dies with its processes, never with a clock.
CREATE TABLE leases (
  seq INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,                   -- names its staging directory under tmp/
  kind TEXT NOT NULL CHECK (kind IN ('run', 'ingest', 'read', 'sync', 'sweep')),
  run INTEGER REFERENCES runs (seq),
  wrapper TEXT NOT NULL,                        -- JSON: pid, start, boot, pidns, host
  child TEXT,                                   -- the same of the child
  taken_at INTEGER NOT NULL,
  until INTEGER                                 -- a read outside a run also lives until then
) STRICT;
CREATE INDEX leases_by_run ON leases (run) WHERE run IS NOT NULL;

CREATE TABLE lease_blobs (
  lease INTEGER NOT NULL REFERENCES leases (seq) ON DELETE CASCADE,
  blob INTEGER NOT NULL REFERENCES blobs (seq),
  PRIMARY KEY (lease, blob)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_blobs_by_blob ON lease_blobs (blob);

CREATE TABLE lease_entries (
  lease INTEGER NOT NULL REFERENCES leases (seq) ON DELETE CASCADE,
  cache_path TEXT NOT NULL,
  PRIMARY KEY (lease, cache_path)
) STRICT, WITHOUT ROWID;

-- Delivery --------------------------------------------------------------------------------------------------------

CREATE TABLE deliveries (
  seq INTEGER PRIMARY KEY,
  run INTEGER NOT NULL REFERENCES runs (seq),
  target TEXT NOT NULL,                         -- the tracking URI, without its user part
  experiment TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'synced', 'refused', 'forgotten')),
  remote_experiment TEXT,
  remote_run TEXT,
  artifact_uri TEXT,
  metrics_sent INTEGER NOT NULL DEFAULT 0,      -- seq of the last metric point that the server has
  tries INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  updated_at INTEGER NOT NULL,
  synced_at INTEGER,
  UNIQUE (run, target)
) STRICT;
CREATE INDEX deliveries_by_remote_run ON deliveries (remote_run) WHERE remote_run IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (target, run) WHERE state IN ('pending', 'refused');

-- What the server has not been told. A settled entry stays as the record of what was sent.
CREATE TABLE outbox (
  seq INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL REFERENCES deliveries (seq),
  step TEXT NOT NULL CHECK (step IN ('run', 'params', 'tags', 'metrics', 'artifact', 'end')),
  artifact INTEGER REFERENCES artifacts (seq),
  settled_at INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  how TEXT,                                     -- of an artifact: put, clone, link, copy
  bytes INTEGER,
  CHECK ((step = 'artifact') = (artifact IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX outbox_entry ON outbox (delivery, step, ifnull(artifact, 0));
CREATE INDEX outbox_open ON outbox (delivery) WHERE settled_at IS NULL;
CREATE INDEX outbox_by_artifact ON outbox (artifact) WHERE artifact IS NOT NULL;

-- Records ---------------------------------------------------------------------------------------------------------

-- What was skipped, truncated, renamed, kept, withdrawn or deleted.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  run INTEGER REFERENCES runs (seq),
  artifact INTEGER REFERENCES artifacts (seq),
  kind TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run) WHERE run IS NOT NULL;

-- Lines that journal.jsonl does not have yet: written in the transaction that they tell of, moved to the file after it.
CREATE TABLE journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  line TEXT NOT NULL
) STRICT;
