"""One call of MLflow's own client, timed without its imports and without the making of a run. Prints milliseconds."""

import os
import sys
import time

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
import mlflow
from mlflow.entities import Metric

uri, call, given = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("bench of the official client")
client = mlflow.MlflowClient()
with mlflow.start_run() as run:
    if call == "points":
        points = [Metric(f"metric-{nth % 20}", nth / 7, 1_700_000_000_000 + nth, nth // 20) for nth in range(int(given))]
        begun = time.perf_counter()
        client.log_batch(run.info.run_id, metrics=points)
    else:
        begun = time.perf_counter()
        mlflow.log_artifacts(given)
    took = time.perf_counter() - begun
# the end of a run says more
print(took * 1000)
