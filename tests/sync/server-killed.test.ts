import { expect, test } from "bun:test";
import { faultyProxy } from "../mlflow/faulty-proxy.ts";
import { needsMlflow, startMlflow, startReader } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { tellWhole } from "./whole-run.ts";

const live = needsMlflow(test);

live(
  "a server that is killed in the middle of an upload, and started again, gets the rest by the same sync",
  async () => {
    using root = temporaryRoot();
    await using server = await startMlflow({ directory: root.at("server") });
    const killed = Promise.withResolvers<void>();
    await using proxy = await faultyProxy(server.uri, (request, nth) =>
      request.endsWith("/large.bin") && nth === 1 ? { reset: "half", at: () => void server.kill().then(killed.resolve) } : undefined,
    );
    using told = await tellWhole(proxy.uri);
    // it tries for more than a minute and a half
    const syncing = told.spawn({ MLFLOW_HTTP_REQUEST_MAX_RETRIES: "11", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0.05" });
    await killed.promise;
    await using again = await startMlflow({ directory: root.at("server"), port: server.port });
    expect(await syncing.exited).toBe(0);
    await using reader = startReader(again);
    await told.endsWell(reader);
  },
  // two starts of a server
  240_000,
);
