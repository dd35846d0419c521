# One run around the whole pipeline; each step is a run inside it, and knows pipeline and branch from the run around it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
coffer run --quiet --step 0 -- node "$here/split.mjs"
coffer run --quiet --branch 0 -- sh "$here/branch.sh" StandardScaler
coffer run --quiet --branch 1 -- sh "$here/branch.sh" MinMaxScaler
