import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { COMPOSE_FILE, readComposeFile } from "../../scripts/stack/compose-file.ts";
import type { Service } from "../../scripts/stack/compose-file.ts";
import { needsStack, parts } from "../support/stack.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const project = dirname(COMPOSE_FILE);
const live = needsStack(test);

live("docker-compose.yml is what the published schema allows", async () => {
  expect(await checkSchema(COMPOSE_FILE)).toEqual({ code: 0, words: "ok -- validation done\n" });
  using root = temporaryRoot();
  const wrong = root.at("docker-compose.yml");
  writeFileSync(wrong, readFileSync(COMPOSE_FILE, "utf8").replace("service_healthy", "healthy"));
  expect(await checkSchema(wrong)).toMatchObject({ code: 1, words: expect.stringContaining("'healthy' is not one of") });
});

const compose = [["docker", "compose"], ["docker-compose"]].find((command) => answers([...command, "version"]));
if (!compose) console.error("skipped: no `docker compose` that could be asked about docker-compose.yml");

test.skipIf(!compose)("`docker compose config` accepts it", () => {
  const config = Bun.spawnSync([...(compose as string[]), "-f", COMPOSE_FILE, "config", "--quiet"], { cwd: project });
  expect([config.exitCode, config.stderr.toString()]).toEqual([0, ""]);
});

test("app and mlflow see one volume at /shared/artifacts, and each service waits until the one before it is healthy", () => {
  const { services, volumes } = readComposeFile({});
  expect(Object.keys(services)).toEqual(["app", "mlflow", "postgres"]);
  const { app, mlflow, postgres } = services as Record<"app" | "mlflow" | "postgres", Service>;
  expect([app.volumes, mlflow.volumes]).toEqual([["artifacts:/shared/artifacts"], ["artifacts:/shared/artifacts"]]);
  expect(Object.keys(volumes)).toContain("artifacts");
  expect(app.environment).toMatchObject({
    CORE_ARTIFACT_ROOT: "/shared/artifacts/work",
    MLFLOW_TRACKING_URI: "http://mlflow:5000",
    MLFLOW_DEFAULT_ARTIFACT_ROOT: "/shared/artifacts/mlruns",
  });
  for (const word of ["--default-artifact-root=/shared/artifacts/mlruns", "--no-serve-artifacts"]) expect(mlflow.command).toContain(word);
  expect(mlflow.command.find((word) => word.startsWith("--allowed-hosts="))).toMatch(/[=,]mlflow:5000(,|$)/);
  expect([app.depends_on, mlflow.depends_on]).toEqual([
    { mlflow: { condition: "service_healthy" } },
    { postgres: { condition: "service_healthy" } },
  ]);
  for (const service of [mlflow, postgres]) expect(service.healthcheck).toBeDefined();
});

test("a variable of the compose file comes from the environment, or is its default", () => {
  expect(readComposeFile({ RUN_NAME: "mine", TRAIN_ARGS: "" }).services["app"]?.environment).toMatchObject({
    RUN_NAME: "mine",
    TRAIN_ARGS: "",
    MLFLOW_EXPERIMENT_NAME: "penguins",
  });
  expect(readComposeFile({}).services["postgres"]?.healthcheck?.test[1]).toContain("--username=$POSTGRES_USER ");
});

test("what the images are made of is in their build context, and coffer is built from it", () => {
  using root = temporaryRoot();
  const copied = ["app", "mlflow"].flatMap((name) => copiedBy(`docker/${name}.Dockerfile`));
  expect(copied).toContain("scripts/mlflow/requirements.txt");
  const context = contextPaths();
  for (const path of copied) {
    expect(context).toContain(path.split("/")[0] as string);
    const [from, to] = [join(project, path), root.at(path)];
    mkdirSync(dirname(to), { recursive: true });
    if (statSync(from).isDirectory()) cpSync(from, to, { recursive: true });
    else copyFileSync(from, to);
  }
  symlinkSync(join(project, "node_modules"), root.at("node_modules"));
  const build = Bun.spawnSync([process.execPath, "run", "build"], { cwd: root.path });
  expect(build.stderr.toString()).not.toContain("error");
  const built = Bun.spawnSync([root.at("dist/coffer"), "--version"], { env: { HOME: root.path } });
  expect([built.exitCode, built.stdout.toString()]).toEqual([0, expect.stringContaining("0.1.0")]);
  expect(existsSync(root.at("docker/train.sh"))).toBe(true);
});

async function checkSchema(file: string): Promise<{ code: number; words: string }> {
  const { python, schema } = parts();
  const child = Bun.spawn([python, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file], {
    env: { PATH: process.env["PATH"], PYTHONPATH: schema },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return { words: await child.stdout.text(), code: await child.exited };
}

/** What a Dockerfile takes from the build context. */
function copiedBy(dockerfile: string): string[] {
  const lines = readFileSync(join(project, dockerfile), "utf8").split("\n");
  return lines.filter((line) => line.startsWith("COPY ") && !line.includes("--from=")).flatMap((line) => line.split(" ").slice(1, -1));
}

/** The top of what .dockerignore lets through. */
function contextPaths(): string[] {
  const lines = readFileSync(join(project, ".dockerignore"), "utf8").split("\n");
  return lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1).split("/")[0] as string);
}

function answers(command: string[]): boolean {
  try {
    return Bun.spawnSync(command).exitCode === 0;
  } catch {
    return false;
  }
}
