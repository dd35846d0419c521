# base.sh CLASS: fits a base model, and registers it as what this step of this branch has made.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
node "$here/base.mjs" "$1"
coffer log --quiet "$COFFER_WORKSPACE/model.json" --type model --class "$1" --step .
