# Inside a run: what is loaded here becomes the run's input, and what the run writes depends on it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
split=$(coffer load --step 0 --type splitter)
scaler=$(coffer load --step 1 --type transformer)
model=$(coffer get "$COFFER_PIPELINE:2:all")
node "$here/predict.mjs" "$split" "$scaler" "$model"
