#!/bin/sh
# Two ways to prepare the same data, each a branch with a model of its own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../begin.sh"

say "One split, then two branches: 0 scales by mean and deviation, 1 by smallest and largest."
show coffer run --quiet --pipeline branching -- sh "$here/pipeline.sh"

say "The models of all branches, and the one of branch 1."
show coffer load --pipeline branching --step 2 --list
show coffer load --pipeline branching --step 2 --branch 1

say "The split has no branch: every branch finds it."
show coffer load --pipeline branching --step 0 --branch 0 --type splitter
show coffer load --pipeline branching --step 0 --branch 1 --type splitter

say "A branch finds nothing of another one, and branch 2 was never made."
refused 4 coffer load --pipeline branching --step 2 --branch 2

say "What the model of branch 1 was made from: its own scaler, and the split."
show coffer lineage branching:1:2:all --up

say "The better branch first."
show coffer ls --pipeline branching --type model --sort metrics.test.accuracy:desc --limit 2
