-- What files outside of the store looked like when they were logged last, so that those which did not change need not be read again. Nothing is told by these
-- rows alone: they may be lost at any time, and what was used longest ago goes where there are too many. Paths are absolute, since these files are not the store's.
CREATE TABLE sources (
  path TEXT PRIMARY KEY,                        -- of a file, or of a directory with all that is in it
  used_at INTEGER NOT NULL,
  boot TEXT NOT NULL,                           -- of the machine: times that a crash took back are of no use after it
  bytes INTEGER NOT NULL,                       -- of `seen`
  seen BLOB NOT NULL                            -- sizes, times, inodes and digests, with a checksum; last, since it may be large
) STRICT;
CREATE INDEX sources_by_use ON sources (used_at, bytes);
