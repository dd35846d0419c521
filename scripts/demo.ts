// A real training job under both policies, once well and once failing, then everything that one looks at afterwards.
import { cpSync, existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const repository = join(import.meta.dir, "..");
const project = mkdtempSync(join(tmpdir(), "coffer-demo-"));
const server = process.env["MLFLOW_TRACKING_URI"];
const env = { ...process.env, PATH: `${join(repository, "dist")}${delimiter}${process.env["PATH"] ?? ""}` };
for (const name of ["COFFER_ROOT", "COFFER_RUN_ID", "COFFER_WORKSPACE", "CORE_ARTIFACT_ROOT"]) Reflect.deleteProperty(env, name);
const problems: string[] = [];

say("A project: a training job in plain Node.js, and a configuration.");
cpSync(join(repository, "examples/train"), project, { recursive: true });
console.log(`$ cd ${project}`);
coffer("init");
if (Bun.which("git")) shell("git init -q && git add . && git -c user.name=demo -c user.email=demo@localhost commit -q -m 'train penguins'");

say("The policy “separated” (the default): the workspace stays where the run wrote it.");
const good = run(0, "--register", "penguins=model.json", "--", "node", "train.mjs");
expect(existsSync(workspaceOf(good)), "the workspace of a separated run stays");

say("The same job, failing on purpose. Its exit code is the job's own; its log, parameters and metrics are kept.");
const bad = run(3, "--", "node", "train.mjs", "--learning-rate", "0.5", "--fail-at", "60");
expect(existsSync(workspaceOf(bad)), "the workspace of a failed run stays");

say("The policy “scratch”: once the outputs are durable in the store, the workspace goes.");
const tidy = run(0, "--policy", "scratch", "--register", "penguins=model.json", "--", "node", "train.mjs", "--seed", "2");
expect(!existsSync(join(workspaceOf(tidy), "model.json")), "the workspace of a scratch run goes");

say("Failing under scratch: nothing is removed, so that one can look what happened.");
const kept = run(3, "--policy", "scratch", "--", "node", "train.mjs", "--fail-at", "60");
expect(existsSync(join(workspaceOf(kept), "params.json")), "the workspace of a failed scratch run stays complete");

say("What there is now: runs, artifacts, one run in full, and the bytes of a model.");
coffer("runs");
coffer("ls");
coffer("show", good);
const [first, second] = [readModel("penguins@v1"), readModel("penguins@latest")];
expect(first.classes.length === 3 && first.classes.join() === second.classes.join(), "get gives the models that the runs wrote");
expect(JSON.stringify(first) !== JSON.stringify(second), "two versions of a name are two models");
coffer("stats");

if (server) {
  say("MLFLOW_TRACKING_URI is set: each run was delivered when it ended. What a server missed is sent now, and counted.");
  coffer("sync-mlflow");
  console.log(`\nLook at ${server.replace(/\/+$/, "")}, experiment ${process.env["MLFLOW_EXPERIMENT_NAME"] || "Default"}.`);
}

say("What the two failed runs left can go: gc shows its plan first, and does it when told to.");
coffer("gc", "--failed-runs", "--grace", "0");
expect(withdrawn() > 0, "a plan deletes nothing");
coffer("gc", "--failed-runs", "--grace", "0", "--apply");
expect(withdrawn() === 0, "gc deletes what the failed runs registered");
expect(readModel("penguins@v1").classes.length === 3, "and nothing else");
coffer("verify");

if (problems.length > 0) {
  console.error(`\nThe demo did not go as it should:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
  process.exitCode = 1;
} else {
  say(`Done. The project is in ${project}; try coffer there (it is ${join(repository, "dist/coffer")}), or remove it.`);
}

/** Runs a command line as a person would type it, shows it and what it prints. */
function coffer(...words: string[]): void {
  step(0, words);
}

/** `coffer run …`; returns the id of the run. */
function run(code: number, ...words: string[]): string {
  step(code, ["run", ...words]);
  return (ask("runs", "--limit", "1") as { runs: { id: string }[] }).runs[0]?.id ?? "";
}

function step(code: number, words: string[]): void {
  const line = ["coffer", ...words].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
  console.log(`\n$ ${line}`);
  const { exitCode } = Bun.spawnSync(["coffer", ...words], { cwd: project, env, stdio: ["inherit", "inherit", "inherit"] });
  if (exitCode !== code) problems.push(`${line} ended with ${exitCode}, not with ${code}`);
}

function readModel(ref: string): { classes: string[] } {
  console.log(`\n$ coffer get ${ref}`);
  const { stdout } = Bun.spawnSync(["coffer", "get", ref], { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
  const path = stdout.toString().trim();
  console.log(path);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as { classes: string[] }) : { classes: [] };
}

/** How many artifacts of failed runs are still there, out of sight. */
function withdrawn(): number {
  const { artifacts } = ask("ls", "--all", "--limit", "0") as { artifacts: { state: string }[] };
  return artifacts.filter(({ state }) => state === "withdrawn").length;
}

/** What a command prints with --json, without showing it. */
function ask(...words: string[]): unknown {
  const { stdout } = Bun.spawnSync(["coffer", ...words, "--json", "--quiet"], { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(stdout.toString() || "{}");
}

function shell(line: string): void {
  console.log(`$ ${line}`);
  const { exitCode } = Bun.spawnSync(["sh", "-c", line], { cwd: project, env, stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode !== 0) problems.push(`${line} ended with ${exitCode}`);
}

function say(words: string): void {
  console.log(`\n── ${words}`);
}

function expect(holds: boolean, what: string): void {
  if (!holds) problems.push(`not true: ${what}`);
}

function workspaceOf(id: string): string {
  return join(project, "artifacts/work/runs", id);
}
