"""read-runs.py URI: every run that MLflow's own client finds on a server, as JSON."""

import json
import sys

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient


def files(client, run_id, path=None):
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from files(client, run_id, entry.path)
        else:
            yield {"path": entry.path, "bytes": entry.file_size or 0}


client = MlflowClient(sys.argv[1])
experiments = [experiment.experiment_id for experiment in client.search_experiments(view_type=ViewType.ALL)]
runs = client.search_runs(experiments, run_view_type=ViewType.ALL)
json.dump(
    [
        {
            "id": run.info.run_id,
            "experiment": run.info.experiment_id,
            "name": run.info.run_name,
            "status": run.info.status,
            "artifact_uri": run.info.artifact_uri,
            "metrics": run.data.metrics,
            "artifacts": list(files(client, run.info.run_id)),
        }
        for run in runs
    ],
    sys.stdout,
)
