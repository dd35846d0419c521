#!/bin/sh
# Three base models guess a penguin's weight, and a meta-model learns how far to trust each of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../begin.sh"

say "Three base models: sub-steps of step 1."
show coffer run --quiet --pipeline stacking --step 1.0 -- sh "$here/base.sh" Ridge
show coffer run --quiet --pipeline stacking --step 1.1 -- sh "$here/base.sh" KNeighbors
show coffer run --quiet --pipeline stacking --step 1.2 -- sh "$here/base.sh" RegressionTree
show coffer load --pipeline stacking --step 1 --list

say "The meta-model, with its sources in the order of its features."
show coffer run --quiet --pipeline stacking --step 2 -- sh "$here/meta.sh"
show coffer load --meta stacking:2:all --list
show coffer load --meta stacking:2:all --for-prediction

say "Data with another number of columns is refused before anything is predicted."
refused 2 coffer load --meta stacking:2:all --for-prediction --columns 2

say "Predictions, by whatever the meta-model says are its sources."
show coffer run --quiet --pipeline stacking --step 3 --register stacking-predictions=predictions.csv -- sh "$here/predict.sh"
show coffer lineage stacking-predictions --up

say "A model of branch 1 is no source of a meta-model of branch 0."
show coffer run --quiet --pipeline stacking --step 1 --branch 1 -- sh "$here/base.sh" Ridge
meta=$(coffer get stacking:2:all)
refused 2 coffer log "$meta" --type meta_model --step stacking:0:2:all --source stacking:1:1:all --source stacking:1.0:all
