# The order of --source is the order of the meta-model's features: the tree is first here and there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(coffer get "$COFFER_PIPELINE:1.2:all")
ridge=$(coffer get "$COFFER_PIPELINE:1.0:all")
neighbours=$(coffer get "$COFFER_PIPELINE:1.1:all")
node "$here/meta.mjs" "$tree" "$ridge" "$neighbours"
coffer log --quiet "$COFFER_WORKSPACE/meta.json" --type meta_model --class Ridge --step . \
  --source "$COFFER_PIPELINE:1.2:all" --source "$COFFER_PIPELINE:1.0:all" --source "$COFFER_PIPELINE:1.1:all"
