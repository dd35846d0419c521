-- Uploads in parts that were begun and not ended: a sync that was killed goes on with the parts that are missing.
CREATE TABLE uploads (
  seq INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL REFERENCES deliveries (seq) ON DELETE CASCADE,
  path TEXT NOT NULL,                           -- on the server, below the run
  place TEXT NOT NULL,                          -- the way and the address that the upload id is known at
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  part_size INTEGER NOT NULL,
  upload_id TEXT NOT NULL,                      -- empty where the storage has none (Azure)
  expires_at INTEGER,                           -- when its signed addresses end, which are never kept here; NULL: signed as needed
  UNIQUE (delivery, path)
) STRICT;

-- Parts that the storage has.
CREATE TABLE upload_parts (
  upload INTEGER NOT NULL REFERENCES uploads (seq) ON DELETE CASCADE,
  part INTEGER NOT NULL,
  etag TEXT NOT NULL,
  PRIMARY KEY (upload, part)
) STRICT, WITHOUT ROWID;

-- What a stage logged out of a run's workspace, by path within it: as an output of the run it is stored, and MLflow is not told of it again.
CREATE TABLE staged_outputs (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE,
  path TEXT NOT NULL,
  PRIMARY KEY (run, path)
) STRICT, WITHOUT ROWID;

-- What the page of the run was last given as its note: another one there is somebody's own words.
ALTER TABLE deliveries ADD COLUMN note_sent TEXT;

-- The run was made on the server before its command began, and the command told of it: its script may log there too.
ALTER TABLE deliveries ADD COLUMN attached INTEGER NOT NULL DEFAULT 0 CHECK (attached IN (0, 1));

-- The outbox has two more steps: what a run read, and the models that came of it.
CREATE TABLE wider_outbox (
  seq INTEGER PRIMARY KEY,
  delivery INTEGER NOT NULL REFERENCES deliveries (seq),
  step TEXT NOT NULL CHECK (step IN ('run', 'params', 'tags', 'metrics', 'inputs', 'artifact', 'models', 'end')),
  artifact INTEGER REFERENCES artifacts (seq),
  settled_at INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  how TEXT,
  bytes INTEGER,
  CHECK ((step = 'artifact') = (artifact IS NOT NULL))
) STRICT;
INSERT INTO wider_outbox SELECT * FROM outbox;
DROP TABLE outbox;
ALTER TABLE wider_outbox RENAME TO outbox;
CREATE UNIQUE INDEX outbox_entry ON outbox (delivery, step, ifnull(artifact, 0));
CREATE INDEX outbox_open ON outbox (delivery) WHERE settled_at IS NULL;
CREATE INDEX outbox_by_artifact ON outbox (artifact) WHERE artifact IS NOT NULL;

-- What it took: uploads that failed, each time; requests that were sent again.
ALTER TABLE outbox ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;

-- Requests to make the run, or a model of it, whose outcome nobody knows: each of them may still arrive, and make another.
ALTER TABLE deliveries ADD COLUMN late_runs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN late_models INTEGER NOT NULL DEFAULT 0;
