import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { openPage } from "../../scripts/browser/page.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { checkRun } from "../../scripts/stack/check-run.ts";
import { pageOf, readRuns } from "../../scripts/stack/read-runs.ts";
import type { DeliveredRun } from "../../scripts/stack/read-runs.ts";
import { startStack } from "../../scripts/stack/start-stack.ts";
import { needsStack, parts, runningStack } from "../support/stack.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const live = needsStack(test);
const stack = runningStack();
/** Kept for people to look at. */
const screenshots = join(import.meta.dir, "../../.cache/screenshots");
const PATIENCE_MS = 120_000;

live(
  "one run of the app is one run in MLflow, whose files lie where MLflow says and nowhere else",
  async () => {
    const app = await runApp({ RUN_NAME: "one" });
    expect(app).toMatchObject({ code: 0, words: expect.stringContaining(`delivered to ${stack.uri}/#/experiments/`) });
    const again = await runApp({}, ["coffer", "sync-mlflow"]);
    expect(again).toMatchObject({ code: 0, words: expect.stringContaining("nothing is waiting") });

    const [run, ...others] = await readRuns(stack.uri, parts().python);
    expect(others).toEqual([]);
    expect(run && checkRun(run, stack.volume)).toEqual([]);
    expect(run).toMatchObject({ name: "one", status: "FINISHED", metrics: { "test.accuracy": expect.any(Number) } });
    expect(run?.artifact_uri).toBe(join(stack.volume, "mlruns", run?.experiment as string, run?.id as string, "artifacts"));
    expect(run?.artifacts.map(({ path }) => path).toSorted()).toEqual(filesBelow(run?.artifact_uri as string));
    expect(run?.artifacts).toContainEqual({ path: "model.json", bytes: expect.any(Number) });
    // the workspace is not MLflow's directory: it is still there, with bytes of its own
    expect(workspaces()).toHaveLength(1);
    expect(existsSync(join(stack.volume, "work/runs", workspaces()[0] as string, "model.json"))).toBe(true);
  },
  PATIENCE_MS,
);

live(
  "MLflow's page shows the run, its metrics and its artifacts to a browser",
  async () => {
    expect(await runApp({ RUN_NAME: "seen in a browser" })).toMatchObject({ code: 0 });
    const run = await runNamed("seen in a browser");
    await using page = openPage(parts().chromium);
    mkdirSync(screenshots, { recursive: true });

    await page.go(pageOf(stack.uri, run));
    const accuracy = run.metrics["test.accuracy"] as number;
    await page.see("seen in a browser", "Finished", "test.accuracy", String(accuracy), "learning_rate", run.id);
    await page.screenshot(join(screenshots, "mlflow-run.png"));

    await page.go(`${pageOf(stack.uri, run)}/artifacts`);
    await page.see("seen in a browser", "checkpoints", "model.json", "report.svg", "output.log");
    // and its server reads what coffer put on the volume
    await page.click('[aria-label="metrics.json"]');
    await page.see(`"accuracy": ${accuracy}`);
    await page.screenshot(join(screenshots, "mlflow-artifacts.png"));
    console.error(`what the browser showed is in ${screenshots}`);
  },
  PATIENCE_MS,
);

live(
  "how a run ends reaches MLflow: failed, stopped, and adopted by the container's next life; the app's exit code tells it too",
  async () => {
    const failed = await runApp({ RUN_NAME: "failed", TRAIN_ARGS: "--fail-at 5" });
    expect(failed).toMatchObject({ code: 3, words: expect.stringContaining("stopped, as --fail-at asked") });

    // as a stop of the container does it
    const stopped = stack.startApp({ env: { RUN_NAME: "stopped", TRAIN_ARGS: "--epochs 100000000" }, log: log() });
    const before = workspaces();
    await until(() => workspaces().some((id) => !before.includes(id) && existsSync(join(workspace(id), "checkpoints/epoch-0020.json"))));
    stopped.kill("SIGTERM");
    expect(await stopped.exited).toBe(128 + 15);

    // as a container dies when its machine does
    const waiting = ["sh", "-c", 'echo $$ >"$COFFER_WORKSPACE/pid"; exec sleep 300'];
    const dead = stack.startApp({ command: ["coffer", "run", "--name", "adopted", "--", ...waiting], log: log() });
    const earlier = workspaces();
    const pid = await until(() => workspaces().flatMap((id) => (earlier.includes(id) ? [] : pidIn(workspace(id))))[0]);
    dead.kill("SIGKILL");
    process.kill(pid, "SIGKILL");
    await dead.exited;
    const next = await runApp({ RUN_NAME: "next life" });
    expect(next).toMatchObject({ code: 0, words: expect.stringContaining("adopted run") });

    const ends = Object.fromEntries((await readRuns(stack.uri, parts().python)).map(({ name, status }) => [name, status]));
    expect(ends).toMatchObject({ failed: "FAILED", stopped: "KILLED", adopted: "KILLED", "next life": "FINISHED" });
  },
  PATIENCE_MS,
);

live(
  "a command that cannot start leaves no run in MLflow and no workspace",
  async () => {
    const [runs, before] = [await readRuns(stack.uri, parts().python), workspaces()];
    const app = await runApp({}, ["coffer", "run", "--name", "nothing", "--sync", "required", "--", "no-such-program"]);
    expect(app).toMatchObject({ code: 127, words: expect.stringContaining("no-such-program") });
    expect(await readRuns(stack.uri, parts().python)).toEqual(runs);
    expect(workspaces()).toEqual(before);
    const listed = await runApp({}, ["coffer", "sync-mlflow"]);
    expect(listed).toMatchObject({ code: 0, words: expect.stringContaining("nothing is waiting") });
  },
  PATIENCE_MS,
);

live(
  "where MLflow has not got all of it the app fails, although the training went well",
  async () => {
    const nobody = { MLFLOW_TRACKING_URI: "http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };
    const app = await runApp({ RUN_NAME: "late", ...nobody });
    expect(app).toMatchObject({ code: 3, words: expect.stringContaining("accuracy") });
    expect(await runApp({ RUN_NAME: "after it" })).toMatchObject({ code: 0 });
    expect(checkRun(await runNamed("late"), stack.volume)).toEqual([]);
  },
  PATIENCE_MS,
);

live("MLflow answers to the name that it has for the app, and to no name that somebody else gives it", async () => {
  const ask = async (host: string): Promise<number> =>
    (await fetch(`${stack.uri}/api/2.0/mlflow/experiments/search?max_results=1`, { headers: { host }, keepalive: false })).status;
  expect(await Promise.all(["mlflow:5000", "localhost:5001", "elsewhere.example"].map(ask))).toEqual([200, 200, 403]);
});

live(
  "where MLflow does not become healthy there is no stack for the app to run in: its last words are said, and all is ended",
  async () => {
    using root = temporaryRoot();
    const start = startStack({ directory: root.path, env: {}, parts: { ...parts(), driver: root.at("nothing") }, say: () => {} });
    expect(await start.catch(String)).toMatch(/mlflow ended with code 1; its log ends:[^]*No module named 'psycopg'/);
    expect(processesWith(root.path)).toEqual([]);
  },
  PATIENCE_MS,
);

/** Runs the app, or another command in its place, to its end. */
async function runApp(env: Readonly<Record<string, string>>, command?: readonly string[]): Promise<{ code: number; words: string }> {
  const file = log();
  const app = stack.startApp({ env, log: file, ...(command && { command }) });
  const code = await app.exited;
  return { code, words: readFileSync(file, "utf8") };
}

let logs = 0;

function log(): string {
  return join(stack.directory, `app-${++logs}.log`);
}

async function runNamed(name: string): Promise<DeliveredRun> {
  const [run, ...others] = (await readRuns(stack.uri, parts().python)).filter((each) => each.name === name);
  expect(others).toEqual([]);
  return run as DeliveredRun;
}

function workspaces(): string[] {
  return readdirSync(join(stack.volume, "work/runs"));
}

function workspace(id: string): string {
  return join(stack.volume, "work/runs", id);
}

function pidIn(directory: string): number[] {
  const file = join(directory, "pid");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.endsWith("\n") ? [Number(text)] : [];
}

async function until<T>(look: () => T | undefined): Promise<NonNullable<T>> {
  for (;;) {
    const seen = look();
    if (seen) return seen as NonNullable<T>;
    await Bun.sleep(20);
  }
}

function processesWith(word: string): string[] {
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return numbers.map(commandLine).filter((line) => line.includes(word));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
