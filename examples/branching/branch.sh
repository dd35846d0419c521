# branch.sh SCALER: the two steps of a branch.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
coffer run --quiet --step 1 -- node "$here/scale.mjs" "$1"
coffer run --quiet --step 2 -- node "$here/fit.mjs"
