# base.sh CLASS: fits a base model, and registers it as what this step of this branch has made.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
node "$here/base.mjs" "$1"
id=$COFFER_PIPELINE:${COFFER_BRANCH:+$COFFER_BRANCH:}$COFFER_STEP:all
coffer log --quiet "$COFFER_WORKSPACE/model.json" --type model --class "$1" --step "$id"
