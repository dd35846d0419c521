-- JSON: keys of an imported manifest that are not ours.
ALTER TABLE runs ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';

-- A step may have many thousand records, of many branches and folds.
DROP INDEX artifacts_by_step;
CREATE INDEX artifacts_by_step ON artifacts (pipeline, step, branch, fold) WHERE pipeline IS NOT NULL;
