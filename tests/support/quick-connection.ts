import { connect } from "../../src/mlflow/http/connection.ts";
import type { Connection, ConnectOptions } from "../../src/mlflow/http/connection.ts";
import { ensureExperiment } from "../../src/mlflow/tracking/experiments.ts";
import { ensureRun } from "../../src/mlflow/tracking/runs.ts";
import type { RemoteRun } from "../../src/mlflow/tracking/runs.ts";

/** A connection that repeats without waiting, and finds no credentials of the person who runs the tests. */
export function connectQuickly(uri: string, more: Partial<Omit<ConnectOptions, "uri">> = {}): Connection {
  const env = { HOME: "/nonexistent", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0", ...more.env };
  return connect({ ...more, uri, env });
}

/** An experiment of one's own and a run in it. */
export async function newRun(connection: Connection): Promise<RemoteRun> {
  const experiment = await ensureExperiment(connection, `client ${Bun.randomUUIDv7()}`);
  return ensureRun(connection, {
    experimentId: experiment.id,
    cofferRunId: Bun.randomUUIDv7(),
    name: "a run",
    user: "tester",
    startTime: 1_700_000_000_000,
    tags: [],
  });
}
