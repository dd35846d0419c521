#!/bin/sh
# Five folds, fitted in no particular order, loaded in theirs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../begin.sh"

say "Each fold is a run of its own; they end in mixed order, as jobs on a cluster do."
for fold in 3 0 4 1 2; do
  show coffer run --quiet --pipeline folds --step 1 --fold "$fold" -- node "$here/fit.mjs"
done

say "The models of all folds, in order; the one of fold 3."
show coffer load --pipeline folds --step 1 --folds
show coffer load --pipeline folds --step 1 --fold 3

say "Their mean score, as a metric, and their averaged prediction."
show coffer run --quiet --pipeline folds --step 2 --register folds-predictions=predictions.csv -- node "$here/average.mjs"
show coffer ls folds-predictions --where 'metrics.cv.accuracy > 0.9'
show coffer lineage folds-predictions --up
