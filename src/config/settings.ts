import { dirname, resolve } from "node:path";
import { CofferError } from "../domain/error.ts";
import { displayUrl } from "../domain/secret.ts";
import { DEFAULTS } from "./defaults.ts";
import { ConfigError, findProjectFile, findUserFile, homeOf, readConfigFile } from "./file.ts";
import type { ConfigProblem } from "./file.ts";
import type { Env } from "./interpolate.ts";
import { checkRoots, standardRoots } from "./roots.ts";
import type { Roots } from "./roots.ts";
import type { Config } from "./schema.ts";
import { filled, leaves } from "./sections.ts";

export interface Settings {
  /** Every key with its value; the three roots in it are absolute. */
  values: Config;
  /** Where the value of a dotted key (`workspace.policy`) comes from. */
  origin(key: string): Origin;
  /** Absolute. A run's workspace is `<workspace>/runs/<run id>`. */
  roots: Roots;
  /** The project's file, where there is one. */
  file: string | undefined;
  /** The user's file, where there is one. */
  userFile: string | undefined;
}

export interface Origin {
  source: "flag" | "environment" | "project" | "user" | "default";
  /** `--root`, `COFFER_ROOT`, the path of a file, or for a default what it follows from. */
  where: string;
}

export interface Given {
  flags: {
    root?: string | undefined;
    config?: string | undefined;
    /** Values of other flags by dotted key: `{"workspace.policy": "scratch"}` for `--policy scratch`; undefined ones are not set. */
    set?: Readonly<Record<string, unknown>>;
  };
  env: Env;
  /** Absolute. */
  cwd: string;
}

const ENVIRONMENT = {
  COFFER_ROOT: "artifact_store.root_path",
  CORE_ARTIFACT_ROOT: "workspace.root",
  MLFLOW_TRACKING_URI: "tracking.mlflow.uri",
  MLFLOW_EXPERIMENT_NAME: "tracking.mlflow.experiment",
  MLFLOW_DEFAULT_ARTIFACT_ROOT: "tracking.mlflow.artifact_root",
} as const;

/** What is set, by dotted key: the value, its origin, and the directory that it counts from if it is a relative path. Defaults are not in it. */
type Held = Map<string, { value: unknown; origin: Origin; base: string }>;

/**
 * Reads the configuration: flag over environment over project file over user file over default, key by key.
 * Relative paths count from the file that names them, those of flags and environment from `cwd`; the default root lies beside the project's file, else in `cwd`.
 * @throws ConfigError for problems of the files, all of them; CofferError CONFIG_INVALID, ROOTS_OVERLAP, USAGE
 */
export async function loadSettings(given: Given): Promise<Settings> {
  const { flags, env, cwd } = given;
  const file = flags.config === undefined ? await findProjectFile(cwd) : resolve(cwd, flags.config);
  const userFile = findUserFile(env);
  const held: Held = new Map();
  const problems: ConfigProblem[] = [];
  if (userFile !== undefined) problems.push(...(await fromFile(held, userFile, "user", env)));
  if (file !== undefined) problems.unshift(...(await fromFile(held, file, "project", env)));
  const [problem, ...others] = problems;
  if (problem) throw new ConfigError([problem, ...others]);
  fromEnvironment(held, env, cwd);
  await fromFlags(held, flags, cwd);

  const roots = rootsOf(held, file === undefined ? cwd : dirname(file), env);
  checkRoots(roots);
  const values = new Map([...held].map(([key, { value }]) => [key, value]));
  values.set("artifact_store.root_path", roots.store).set("workspace.root", roots.workspace);
  if (!isElsewhere(values.get("tracking.mlflow.artifact_root"))) values.set("tracking.mlflow.artifact_root", roots.mlflow);
  return {
    values: filled(DEFAULTS, values),
    origin: (key) => held.get(key)?.origin ?? defaultOrigin(key),
    roots,
    file,
    userFile,
  };
}

/** Every dotted key of the configuration, in the order of the schema. */
export function configKeys(): string[] {
  return [...leaves(DEFAULTS).keys()];
}

async function fromFile(held: Held, path: string, source: "project" | "user", env: Env): Promise<ConfigProblem[]> {
  const { values, problems } = await readConfigFile(path, env);
  for (const [key, value] of values) held.set(key, { value, origin: { source, where: path }, base: dirname(path) });
  return problems;
}

/** All of these are texts, and any text will do, so that a start without a file builds no schema. An empty variable counts as unset. */
function fromEnvironment(held: Held, env: Env, cwd: string): void {
  for (const [variable, key] of Object.entries(ENVIRONMENT)) {
    const value = env[variable];
    if (value !== undefined && value.trim() !== "") held.set(key, { value, origin: { source: "environment", where: variable }, base: cwd });
  }
}

async function fromFlags(held: Held, flags: Given["flags"], cwd: string): Promise<void> {
  const set = Object.entries(flags.set ?? {}).filter(([, value]) => value !== undefined);
  if (set.length > 0) {
    // with the schema comes its library, which a start without any setting need not load
    const { checkLeaves } = await import("./layer.ts");
    const { values, problems } = checkLeaves(new Map(set));
    const [problem] = problems;
    if (problem) throw new CofferError("USAGE", `${flagOf(problem.path.join("."))}: ${problem.message}`, { hint: problem.hint });
    for (const [key, value] of values) held.set(key, { value, origin: { source: "flag", where: flagOf(key) }, base: cwd });
  }
  if (flags.root === undefined) return;
  if (flags.root === "") throw new CofferError("USAGE", "--root needs a directory", { hint: "write --root=DIR" });
  held.set("artifact_store.root_path", { value: flags.root, origin: { source: "flag", where: "--root" }, base: cwd });
}

function flagOf(key: string): string {
  return `--${key.slice(key.lastIndexOf(".") + 1).replaceAll("_", "-")}`;
}

function rootsOf(held: Held, home: string, env: Env): Roots {
  const standard = standardRoots(directoryOf(held, "artifact_store.root_path", env) ?? resolve(home, DEFAULTS.artifact_store.root_path));
  return {
    store: standard.store,
    workspace: directoryOf(held, "workspace.root", env) ?? standard.workspace,
    mlflow: isElsewhere(held.get("tracking.mlflow.artifact_root")?.value)
      ? standard.mlflow
      : (directoryOf(held, "tracking.mlflow.artifact_root", env) ?? standard.mlflow),
  };
}

/** MLflow's variable may name an object store: that is the server's affair, and no directory here. */
function isElsewhere(value: unknown): boolean {
  return typeof value === "string" && /^[a-z][a-z0-9+.-]+:/i.test(value) && !/^file:/i.test(value);
}

/** The absolute path that a key is set to; undefined where it is not set, or null. */
function directoryOf(held: Held, key: string, env: Env): string | undefined {
  const set = held.get(key);
  if (typeof set?.value !== "string") return undefined;
  let path = set.value;
  if (/^file:|:\/\//i.test(path)) {
    try {
      path = Bun.fileURLToPath(path);
    } catch (error) {
      throw new CofferError("CONFIG_INVALID", `${key} (${set.origin.where}) is not a directory on this machine: ${displayUrl(path)}`, {
        hint: "give a path, such as ./artifacts",
        cause: error,
      });
    }
  }
  // on a command line the shell has expanded it already
  if ((set.origin.source === "project" || set.origin.source === "user") && /^~(\/|$)/.test(path)) path = homeOf(env) + path.slice(1);
  return resolve(set.base, path);
}

function defaultOrigin(key: string): Origin {
  if (key === "workspace.root") return { source: "default", where: "work in the store's root" };
  if (key === "tracking.mlflow.artifact_root") return { source: "default", where: "mlruns in the store's root" };
  if (!configKeys().includes(key)) throw new Error(`no such configuration key: ${key}`);
  return { source: "default", where: "built in" };
}
