"""Logs a folder as an artifact of an offline run: wandb-log.py FOLDER."""

import sys

import wandb

settings = wandb.Settings(silent=True)
with wandb.init(project="bench", mode="offline", settings=settings) as run:
    artifact = wandb.Artifact("input", type="dataset")
    artifact.add_dir(sys.argv[1])
    run.log_artifact(artifact)
