import { closeSync, cpSync, mkdirSync, openSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort } from "../mlflow/server.ts";
import { startProgram, waitUntil } from "../parts/program.ts";
import type { Program } from "../parts/program.ts";
import { startPostgres } from "../postgres/server.ts";
import { patienceOf, readComposeFile } from "./compose-file.ts";
import type { Service } from "./compose-file.ts";
import type { StackParts } from "./parts.ts";

const project = join(import.meta.dir, "../..");

export interface StackStart {
  /** Empty; holds the database, the shared volume and the logs. */
  directory: string;
  /** Fills in the variables of docker-compose.yml. */
  env: Readonly<Record<string, string | undefined>>;
  parts: StackParts;
  say: (words: string) => void;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

export interface Stack extends AsyncDisposable {
  /** Of MLflow. */
  uri: string;
  /** What is `/shared/artifacts` in the containers. */
  volume: string;
  /** Starts the app, or another command in its place, with these variables changed. What it prints goes where our own words go, or to a file. */
  startApp(given?: { command?: readonly string[]; env?: Readonly<Record<string, string>>; log?: string }): Bun.Subprocess;
}

/**
 * The services of docker-compose.yml as processes of this machine: their commands, variables and health checks are read from there. What differs is where they are:
 * names of services become ports on loopback, and paths in containers become paths here.
 */
export async function startStack({ directory, env, parts, say, signal }: StackStart): Promise<Stack> {
  const { python, driver, postgres } = parts;
  const { app, mlflow, postgres: database } = readComposeFile(env).services;
  if (!app || !mlflow || !database) throw new Error("docker-compose.yml has no app, mlflow or postgres");
  const ports = { mlflow: await freePort(), postgres: await freePort() };
  const volume = join(directory, "artifacts");
  for (const made of [volume, join(directory, "home"), join(directory, "tmp")]) mkdirSync(made);
  // a copy, since a job may write beside itself
  cpSync(join(project, "examples/train"), join(directory, "app/examples/train"), { recursive: true });
  cpSync(join(project, "docker"), join(directory, "app/docker"), { recursive: true });
  const here = (text: string): string =>
    text
      .replace(/(?<=\/\/|@)(mlflow:5000|postgres:5432)/, (name) => `127.0.0.1:${name === "mlflow:5000" ? ports.mlflow : ports.postgres}`)
      .replace(/^--host=0\.0\.0\.0$/, "--host=127.0.0.1")
      .replace(/^--port=5000$/, `--port=${ports.mlflow}`)
      .replace(/(?<=^|=)\/shared\/artifacts(?=\/|$)/, volume)
      .replace(/^\/app(?=\/)/, join(directory, "app"));
  const environment = (service: Service): Record<string, string> => ({
    PATH: [join(project, "dist"), process.env["PATH"]].join(delimiter),
    HOME: join(directory, "home"),
    TMPDIR: join(directory, "tmp"),
    ...Object.fromEntries(Object.entries(service.environment).map(([name, value]) => [name, here(value)])),
  });

  await using started = new AsyncDisposableStack();
  const begun = performance.now();
  const after = (): string => `after ${((performance.now() - begun) / 1000).toFixed(1)} s`;
  const { POSTGRES_USER: user = "", POSTGRES_PASSWORD: password = "", POSTGRES_DB: name = "" } = database.environment;
  started.use(
    await startPostgres({
      binaries: postgres,
      directory: join(directory, "postgres"),
      python,
      port: ports.postgres,
      user,
      password,
      database: name,
    }),
  );
  say(`postgres is healthy ${after()}: 127.0.0.1:${ports.postgres}`);
  const [tool, ...words] = mlflow.command;
  if (tool !== "mlflow") throw new Error(`docker-compose.yml starts ${tool} for MLflow`);
  const mlflowEnv = { ...environment(mlflow), PYTHONPATH: driver };
  const server = started.use(
    startProgram({
      python,
      command: [python, "-m", "mlflow", ...words.map(here)],
      cwd: directory,
      env: mlflowEnv,
      log: join(directory, "mlflow.log"),
    }),
  );
  await becomeHealthy(server, "mlflow", mlflow, [python, ...(mlflow.healthcheck?.test.slice(2) ?? []).map(here)], signal);
  const uri = `http://127.0.0.1:${ports.mlflow}`;
  say(`mlflow is healthy ${after()}: ${uri}`);

  const owned = started.move();
  return {
    uri,
    volume,
    startApp: ({ command, env: more, log } = {}) => {
      const output = log === undefined ? "inherit" : openSync(log, "a");
      const child = Bun.spawn(command ? [...command] : app.command.map(here), {
        cwd: here(app.working_dir ?? "/app"),
        env: { ...environment(app), ...more },
        stdio: ["ignore", output, output],
      });
      if (typeof output === "number") closeSync(output);
      return child;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** By the health check of the compose file. */
async function becomeHealthy(
  program: Program,
  name: string,
  service: Service,
  check: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (service.healthcheck?.test[1] !== "python") throw new Error(`the health check of ${name} is not python's`);
  await waitUntil(program, { name, patience: patienceOf(service), signal }, async () => {
    const asked = Bun.spawn([...check], { stdio: ["ignore", "ignore", "ignore"] });
    return (await asked.exited) === 0;
  });
}
