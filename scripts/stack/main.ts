// `npm run stack`: the services of docker-compose.yml as plain processes. The app runs once, its result is checked, and all of it is ended again.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkRun } from "./check-run.ts";
import { installStack } from "./parts.ts";
import { pageOf, readRuns } from "./read-runs.ts";
import { startStack } from "./start-stack.ts";

const words = process.argv.slice(2);
const stay = words.includes("--stay");
if (words.some((word) => word !== "--stay")) {
  console.error("usage: npm run stack [-- --stay]        (--stay: MLflow goes on until Ctrl-C)");
  process.exit(words.includes("--help") ? 0 : 2);
}
const stopping = new AbortController();
const stopped = new Promise((resolve) => stopping.signal.addEventListener("abort", resolve));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.abort(new Error("stopped")));
const directory = mkdtempSync(join(tmpdir(), "coffer-stack-"));
try {
  process.exitCode = await stack();
} catch (error) {
  console.error(`stack: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Returns the exit code. */
async function stack(): Promise<number> {
  if (!existsSync(join(import.meta.dir, "../../dist/coffer"))) throw new Error("dist/coffer is not built; npm run build does it");
  const say = (line: string): void => console.error(`stack: ${line}`);
  const parts = await installStack(say);
  await using running = await startStack({ directory, env: process.env, parts, say, signal: stopping.signal });
  const app = running.startApp();
  void stopped.then(() => app.kill("SIGTERM"));
  const code = await app.exited;
  if (code !== 0) {
    say(`the app ended with exit code ${code}`);
    return code;
  }
  const runs = await readRuns(running.uri, parts.python);
  const wrong = runs.flatMap((run) => checkRun(run, running.volume));
  if (runs.length !== 1) wrong.push(`MLflow has ${runs.length} runs, not one`);
  for (const problem of wrong) say(problem);
  for (const run of runs) {
    const counts = `${Object.keys(run.metrics).length} metrics, ${run.artifacts.length} artifacts`;
    say(`MLflow's own client sees ${run.name}: ${run.status}, ${counts}; its page is ${pageOf(running.uri, run)}`);
  }
  if (stay) {
    say("MLflow goes on until Ctrl-C");
    await stopped;
  }
  return wrong.length === 0 ? 0 : 1;
}
