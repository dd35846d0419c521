-- JSON: keys of an imported manifest that are not ours.
ALTER TABLE runs ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';

-- A step may have many thousand records, of many branches and folds.
DROP INDEX artifacts_by_step;
CREATE INDEX artifacts_by_step ON artifacts (pipeline, step, branch, fold) WHERE pipeline IS NOT NULL;

-- gc looks at all that is in sight, and at all members of packs: their rows are ten times as large.
CREATE INDEX artifacts_in_sight ON artifacts (seq, blob, created_at, kind) WHERE state = 'live';
DROP INDEX blobs_by_pack;
CREATE INDEX blobs_by_pack ON blobs (pack, size) WHERE pack IS NOT NULL;
