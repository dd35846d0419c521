#!/bin/sh
# What the stack's app does: one training run, which counts as done when MLflow has all of it. Its exit code is that of the container.
set -eu

# a former life of this container that was killed left a run behind; if that cannot be sent, it is said, and is no reason not to train
if [ -e "$COFFER_ROOT/coffer.db" ]; then coffer sync-mlflow || true; fi

# exec: a stop of the container reaches the training, which then ends as killed and is delivered so
# TRAIN_ARGS is a list of words
# shellcheck disable=SC2086
exec coffer run --name "$RUN_NAME" --register penguins=model.json --sync required -- node train.mjs $TRAIN_ARGS
