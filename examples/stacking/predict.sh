# The program is told the sources by coffer, and names none of them itself.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
loaded=$(coffer load --meta "$COFFER_PIPELINE:2:all" --for-prediction --json)
printf '%s' "$loaded" | node "$here/predict.mjs"
