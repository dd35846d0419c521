"""read_back.py URI runs COFFER_RUN_ID | read_back.py URI artifact RUN PATH: what MLflow's own client finds on a server.
read_back.py URI serve: the same for each line of standard input (a run's id), with the digest of each file and every logged model of the run."""

import base64
import hashlib
import json
import math
import os
import sys
import tempfile

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient


def read_run(client, run):
    return {
        "run_id": run.info.run_id,
        "experiment": client.get_experiment(run.info.experiment_id).name,
        "name": run.info.run_name,
        "status": run.info.status,
        "start_time": run.info.start_time,
        "end_time": run.info.end_time,
        "artifact_uri": run.info.artifact_uri,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": {
            key: [[number(point.value), point.step, point.timestamp] for point in client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        },
        "artifacts": dict(files(client, run.info.run_id)),
        "inputs": [read_input(entry) for entry in run.inputs.dataset_inputs],
        "models": [read_model(client, output.model_id) for output in run.outputs.model_outputs],
    }


def read_input(entry):
    return {
        "name": entry.dataset.name,
        "digest": entry.dataset.digest,
        "source_type": entry.dataset.source_type,
        "source": json.loads(entry.dataset.source),
        "profile": json.loads(entry.dataset.profile),
        "tags": {tag.key: tag.value for tag in entry.tags},
    }


def read_model(client, model_id):
    model = client.get_logged_model(model_id)
    return {
        "model_id": model.model_id,
        "name": model.name,
        "status": str(model.status),
        "type": model.model_type,
        "source_run_id": model.source_run_id,
        "params": model.params,
        "tags": model.tags,
        "artifacts": dict(model_files(client, model_id)),
    }


def model_files(client, model_id, path=None):
    for entry in client.list_logged_model_artifacts(model_id, path):
        if entry.is_dir:
            yield from model_files(client, model_id, entry.path)
        else:
            yield entry.path, entry.file_size or 0


def number(value):
    return value if math.isfinite(value) else str(value)


def files(client, run_id, path=None):
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from files(client, run_id, entry.path)
        else:
            yield entry.path, entry.file_size or 0


def read_runs(client, coffer_run_id):
    experiments = [experiment.experiment_id for experiment in client.search_experiments(view_type=ViewType.ALL)]
    runs = client.search_runs(experiments, f'tags.`coffer.run_id` = "{coffer_run_id}"', run_view_type=ViewType.ALL)
    return [read_run(client, run) for run in runs]


def digests(client, run_id):
    """SHA-256 of every file of a run, by path."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        root = client.download_artifacts(run_id, "", folder)
        for directory, _, names in os.walk(root):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as file:
                    found[os.path.relpath(path, root)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def logged_models(client, experiment, run_id):
    """Every logged model that says it came of a run, whether or not the run names it."""
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    models = client.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run_id}'")
    return [model.model_id for model in models]


def serve(client):
    for line in sys.stdin:
        runs = read_runs(client, line.strip())
        for run in runs:
            run["digests"] = digests(client, run["run_id"]) if run["artifacts"] else {}
            run["logged_models"] = logged_models(client, run["experiment"], run["run_id"])
        print(json.dumps(runs), flush=True)


def main(uri, verb, *words):
    client = MlflowClient(uri)
    if verb == "runs":
        json.dump(read_runs(client, words[0]), sys.stdout)
    elif verb == "serve":
        serve(client)
    elif verb == "artifact":
        with tempfile.TemporaryDirectory() as folder, open(client.download_artifacts(words[0], words[1], folder), "rb") as file:
            sys.stdout.write(base64.b64encode(file.read()).decode())
    else:
        sys.exit(f"unknown verb {verb}")


main(*sys.argv[1:])
