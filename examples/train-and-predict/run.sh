#!/bin/sh
# Trains in one run, predicts in another that finds scaler and model by their steps.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../begin.sh"

say "One run fits a scaler and a model, and says in its manifest.yaml which step each of them is."
show coffer run --quiet --pipeline penguins -- node "$here/train.mjs"
show coffer show penguins:2:all

say "Another run loads them by step, and predicts the penguins that were held back."
show coffer run --quiet --pipeline penguins --step 3 --register penguin-predictions=predictions.csv -- sh "$here/predict.sh"
show head -n 4 "$(coffer get penguin-predictions)"

say "What the predictions were made from."
show coffer lineage penguin-predictions --up
