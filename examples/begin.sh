# Read by the run.sh of each example: which store, and how commands are shown.
command -v coffer > /dev/null || { echo "coffer is not on the PATH: run npm run build, then export PATH=\"\$PWD/dist:\$PATH\"" >&2; exit 127; }
COFFER_ROOT=${COFFER_ROOT:-$(mktemp -d)}
export COFFER_ROOT
echo "The store of this example is $COFFER_ROOT: set COFFER_ROOT to it to look around, to another directory to have it there."

say() {
  printf '\n# %s\n' "$*"
}

# The command, then what it prints.
show() {
  printf '$ %s\n' "$*"
  "$@"
}

# A command that is to fail with this exit code.
refused() {
  expected=$1
  shift
  printf '$ %s\n' "$*"
  code=0
  "$@" || code=$?
  printf '(exit code %s)\n' "$code"
  [ "$code" -eq "$expected" ]
}
