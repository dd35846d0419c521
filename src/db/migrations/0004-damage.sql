-- Blobs whose bytes were found to be lost or changed, until they are whole again or the blob goes.
CREATE TABLE damage (
  blob INTEGER PRIMARY KEY REFERENCES blobs (seq) ON DELETE CASCADE,
  what TEXT NOT NULL,
  detail TEXT NOT NULL,
  found_at INTEGER NOT NULL
) STRICT;

-- These, and the directories that have them; part: what is damaged.
CREATE VIEW hurt_blobs (blob, part) AS
  SELECT blob, blob FROM damage UNION ALL SELECT m.tree, d.blob FROM damage d CROSS JOIN tree_members m ON m.member = d.blob;
