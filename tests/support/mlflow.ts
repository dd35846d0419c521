import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { test as bunTest } from "bun:test";
import { installedPython } from "../../scripts/mlflow/environment.ts";
import { startMlflow as start } from "../../scripts/mlflow/server.ts";
import type { MlflowKind, MlflowPlace, MlflowServer, MlflowStart } from "../../scripts/mlflow/server.ts";
import { removeTree } from "./temporary-root.ts";

/**
 * The servers that `npm test` keeps running for all tests. Everybody shares them: use experiments of your own. Not set under a bare `bun test`.
 * proxied: takes artifacts through HTTP. shared: its artifact root is a directory that its clients write to. older: MLflow 3.11, proxied.
 * guarded: wants a login (`ADMIN`), is below a path and runs under gunicorn; proxied.
 */
type Name = MlflowKind | "older" | "guarded";

const running = JSON.parse(process.env["COFFER_TEST_MLFLOW"] ?? "{}") as Partial<Record<Name, MlflowPlace>>;

export const mlflow = {
  get proxied(): MlflowPlace {
    return place("proxied");
  },
  get shared(): MlflowPlace {
    return place("shared");
  },
  get older(): MlflowPlace {
    return place("older");
  },
  get guarded(): MlflowPlace {
    return place("guarded");
  },
};

/** `const live = needsMlflow(test)`: tests that are skipped aloud where there is no server, and fail there under CI=true. */
export const needsMlflow = (test: typeof bunTest): typeof bunTest => needs(test, "proxied", "shared");
export const needsOlder = (test: typeof bunTest): typeof bunTest => needs(test, "older");
export const needsGuarded = (test: typeof bunTest): typeof bunTest => needs(test, "guarded");

function needs(test: typeof bunTest, ...names: Name[]): typeof bunTest {
  const missing = names.filter((name) => !running[name]);
  if (missing.length === 0 || process.env["CI"] === "true") return test;
  console.error(
    `skipped: no ${missing.join(", ")} MLflow server; \`npm test\` starts them (\`npm test -- tests/sync\` for some tests only)`,
  );
  return test.skip as typeof bunTest;
}

/** A server of one's own, to stop and start again. Its directory is removed at the end, unless one was given. */
export async function startMlflow(given: Partial<MlflowStart> = {}): Promise<MlflowServer> {
  const python = given.python ?? installedPython();
  if (!python) throw new Error("MLflow is not installed under .venv; `npm test` does that");
  const directory = given.directory ?? mkdtempSync(join(tmpdir(), "coffer-mlflow-"));
  const remove = (): void => {
    if (given.directory === undefined) removeTree(directory);
  };
  const server = await start({ kind: "proxied", ...given, directory, python }).catch((error: unknown) => {
    remove();
    throw error;
  });
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server.stop();
      remove();
    },
  };
}

export interface ReadRun {
  run_id: string;
  experiment: string;
  name: string;
  status: string;
  /** Milliseconds. */
  start_time: number;
  end_time: number | null;
  artifact_uri: string;
  params: Record<string, string>;
  tags: Record<string, string>;
  /** Every point of every metric, as [value, step, milliseconds]; not-a-number and infinities as words. */
  metrics: Record<string, [value: number | string, step: number, time: number][]>;
  /** Files only, by path, with bytes. */
  artifacts: Record<string, number>;
  /** Dataset inputs. */
  inputs: { name: string; digest: string; source_type: string; source: unknown; profile: unknown; tags: Record<string, string> }[];
  /** Logged models that it names as its outputs. */
  models: {
    model_id: string;
    name: string;
    status: string;
    type: string;
    source_run_id: string;
    params: Record<string, string>;
    tags: Record<string, string>;
    artifacts: Record<string, number>;
  }[];
}

/** The runs with this `coffer.run_id`, as MLflow's own client reads them. */
export async function readBack(
  place: Pick<MlflowPlace, "uri" | "python">,
  cofferRunId: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ReadRun[]> {
  return JSON.parse(await python(place, ["runs", cofferRunId], env)) as ReadRun[];
}

/** A run as it was read back whole: each file was downloaded, too. */
export interface WholeRun extends ReadRun {
  /** SHA-256 in hex, by path. */
  digests: Record<string, string>;
  /** Ids of all logged models that say they came of it, whether or not the run names them. */
  logged_models: string[];
}

export interface Reader extends AsyncDisposable {
  /** The runs with this `coffer.run_id`. */
  runs(cofferRunId: string): Promise<WholeRun[]>;
}

/** MLflow's own client as a process that stays: it takes seconds to start. One question at a time. */
export function startReader(place: Pick<MlflowPlace, "uri" | "python">): Reader {
  const child = Bun.spawn([place.python, join(import.meta.dir, "read_back.py"), place.uri, "serve"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: tmpdir(),
      MLFLOW_DISABLE_TELEMETRY: "true",
      MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR: "false",
    },
  });
  const words = child.stderr.text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    async runs(cofferRunId) {
      child.stdin.write(`${cofferRunId}\n`);
      await child.stdin.flush();
      while (!rest.includes("\n")) {
        const { done, value } = await lines.read();
        if (done) throw new Error(`MLflow's client failed: ${(await words).trim().slice(-1000)}`);
        rest += value;
      }
      const end = rest.indexOf("\n");
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      return JSON.parse(line) as WholeRun[];
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** One artifact of an MLflow run, downloaded by MLflow's own client. `env`: the keys that it needs where it goes to a storage itself. */
export async function readArtifact(
  place: Pick<MlflowPlace, "uri" | "python">,
  mlflowRunId: string,
  path: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  return Buffer.from(await python(place, ["artifact", mlflowRunId, path], env), "base64");
}

async function python(
  place: Pick<MlflowPlace, "uri" | "python">,
  words: string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = Bun.spawn([place.python, join(import.meta.dir, "read_back.py"), place.uri, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), MLFLOW_DISABLE_TELEMETRY: "true", ...env },
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`MLflow's client failed: ${err.trim().slice(-1000)}`);
  return out;
}

function place(name: Name): MlflowPlace {
  const found = running[name];
  if (!found) throw new Error(`no ${name} MLflow server is running for the tests; \`npm test\` starts them`);
  return found;
}
