import { afterAll, beforeAll } from "bun:test";
import type { test as bunTest } from "bun:test";
import { motoPython, startMoto } from "../../scripts/mlflow/moto.ts";
import type { MlflowServer } from "../../scripts/mlflow/server.ts";
import { faultyProxy } from "./faulty-proxy.ts";
import type { Fault, FaultyProxy } from "./faulty-proxy.ts";
import { startMlflow } from "./mlflow.ts";

/** Tests against storages that speak S3: skipped aloud where moto is not installed, and failing there under CI=true. */
export function needsMoto(test: typeof bunTest): typeof bunTest {
  if (motoPython() || process.env["CI"] === "true") return test;
  console.error("skipped: moto is not installed under .venv-moto; `npm test` does that");
  return test.skip as typeof bunTest;
}

export interface ObjectStore {
  /** What reaches the storage passes here; `requests` has the parts of uploads, and what the servers ask themselves. */
  storage: FaultyProxy;
  /** Keys and address, as a process needs them. */
  env: Readonly<Record<string, string>>;
  /** Takes artifacts itself and keeps them in the storage. */
  proxied: MlflowServer;
  /** Leaves artifacts to its clients: its runs are at `s3://`. */
  direct: MlflowServer;
  /** What goes wrong between anybody and the storage, until it is set again. */
  fault: (request: string) => Fault;
}

/** For the tests of a file: a storage, and the two kinds of servers before it. */
export function objectStore(): ObjectStore {
  const store = { fault: () => undefined } as unknown as ObjectStore;
  const stack = new AsyncDisposableStack();
  beforeAll(async () => {
    const python = motoPython();
    if (!python) return;
    const moto = stack.use(await startMoto(python, "mlflow"));
    store.storage = stack.use(await faultyProxy(moto.uri, (request) => store.fault(request)));
    store.env = { ...moto.env, MLFLOW_S3_ENDPOINT_URL: store.storage.uri };
    const common = { python, env: store.env };
    const [proxied, direct] = await Promise.all([
      startMlflow({ ...common, kind: "proxied", args: ["--artifacts-destination", "s3://mlflow/dest"] }),
      startMlflow({ ...common, kind: "shared", args: ["--default-artifact-root", "s3://mlflow/direct"] }),
    ]);
    store.proxied = stack.use(proxied);
    store.direct = stack.use(direct);
  }, 120_000);
  afterAll(() => stack.disposeAsync(), 60_000);
  return store;
}
