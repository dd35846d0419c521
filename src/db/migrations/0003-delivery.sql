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
