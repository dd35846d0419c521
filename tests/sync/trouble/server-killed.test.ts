import { expect, test } from "bun:test";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { needsMlflow, startMlflow, startReader } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { tellWhole } from "./whole-run.ts";

const live = needsMlflow(test);

live(
  "a server that publishes an upload which was cut, is killed in the middle of the next one, and started again, gets all of it by the same sync",
  async () => {
    using root = temporaryRoot();
    // under gunicorn MLflow takes what has come of a body for all of it
    const gunicorn = { directory: root.at("server"), args: ["--gunicorn-opts", "--timeout 60"] };
    await using server = await startMlflow(gunicorn);
    const killed = Promise.withResolvers<void>();
    const kill = (): void => void server.kill().then(killed.resolve);
    await using proxy = await faultyProxy(server.uri, (request, nth) =>
      request.endsWith("/large.bin") && nth <= 2 ? { reset: "half", ...(nth === 2 && { at: kill }) } : undefined,
    );
    using told = await tellWhole(proxy.uri);
    // it tries for more than a minute and a half
    const syncing = told.spawn({ MLFLOW_HTTP_REQUEST_MAX_RETRIES: "11", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0.05" });
    await killed.promise;
    await using again = await startMlflow({ ...gunicorn, port: server.port });
    expect(await syncing.exited).toBe(0);
    await using reader = startReader(again);
    await told.endsWell(reader);
  },
  // two starts of a server
  240_000,
);
