// Every check of the project: types, lint, format, unused code, build, tests. With paths as arguments: build and these tests only.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installMlflow } from "./mlflow/environment.ts";
import { startGuarded } from "./mlflow/guarded.ts";
import { installLayer } from "./mlflow/layered-environment.ts";
import { OLDER } from "./mlflow/layers.ts";
import { installMoto } from "./mlflow/moto.ts";
import { startMlflow } from "./mlflow/server.ts";
import type { MlflowServer } from "./mlflow/server.ts";
import { installChecks } from "./stack/parts.ts";
import type { CheckParts } from "./stack/parts.ts";
import { wordsOfFailures } from "./failures.ts";
import { readJunit } from "./junit.ts";

const project = join(import.meta.dir, "..");
const bun = process.execPath;
const only = process.argv.slice(2);
const failed: string[] = [];
let passed = 0;
let skipped = 0;
let stack: CheckParts | undefined;

const scratch = mkdtempSync(join(tmpdir(), "coffer-ok-"));
const temporary = join(scratch, "tmp");
mkdirSync(temporary);
// some tests act as another user
chmodSync(scratch, 0o755);
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopping.abort());

// begun first, since it takes ten seconds, and awaited where it is needed
const servers = startServers();
try {
  if (only.length === 0) {
    await check("types", [bun, "check"]);
    await check("lint", [bun, "--bun", "oxlint", "--deny-warnings"]);
    await check("format", [bun, "fmt", "--check"]);
    await check("unused code", [bun, "--bun", "knip"]);
  }
  await check("build", [bun, "scripts/build.ts"]);
  await test(await servers);
} finally {
  for (const server of Object.values(await servers)) await server.stop();
  Bun.spawnSync(["chmod", "-R", "u+rwX", scratch]);
  rmSync(scratch, { recursive: true, force: true });
}

if (stopping.signal.aborted) failed.push("all that a signal stopped");
for (const name of failed) console.log(`failed: ${name}`);
console.log(`${passed} passed, ${failed.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = stopping.signal.aborted ? 130 : failed.length > 0 ? 1 : 0;

async function check(name: string, command: string[]): Promise<void> {
  if (stopping.signal.aborted) return;
  const begun = performance.now();
  const child = Bun.spawn(command, { cwd: project, stdio: ["ignore", "pipe", "pipe"], env: withBin() });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (code === 0) passed++;
  else {
    failed.push(name);
    console.log(`${out}${err}`.trimEnd());
  }
}

async function test(places: Record<string, MlflowServer>): Promise<void> {
  if (stopping.signal.aborted) return;
  const report = join(scratch, "junit.xml");
  // a hang is found, a slow machine is not
  const child = Bun.spawn([bun, "test", "--parallel", "--timeout=60000", "--reporter=junit", `--reporter-outfile=${report}`, ...only], {
    cwd: project,
    stdio: ["ignore", "inherit", "pipe"],
    env: {
      ...withBin(),
      // what a test leaves behind goes with it
      TMPDIR: temporary,
      ...(process.stderr.isTTY && { FORCE_COLOR: "1" }),
      ...(Object.keys(places).length > 0 && { COFFER_TEST_MLFLOW: JSON.stringify(places) }),
      ...(stack && { COFFER_TEST_STACK: JSON.stringify(stack) }),
    },
  });
  stopping.signal.addEventListener("abort", () => child.kill("SIGTERM"));
  let words = "";
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    process.stderr.write(chunk);
    words += chunk;
  }
  const code = await child.exited;
  words = Bun.stripANSI(words);
  const result = readJunit(existsSync(report) ? readFileSync(report, "utf8") : "");
  passed += result.passed;
  skipped += result.skipped;
  failed.push(...result.failed);
  // said again at the end, where it is looked for, and where a log that was cut still has it
  if (result.failed.length > 0) console.log(`\n${wordsOfFailures(words)}\n`);
  // a file that cannot be loaded, an error outside of any test and a crash of the runner are in no report
  const said = Number(/^\s*(\d+) fail$/m.exec(words)?.[1] ?? 0);
  const silent = Math.max(said - result.failed.length, code !== 0 && result.failed.length === 0 ? 1 : 0);
  for (let nth = 0; nth < silent; nth++) failed.push(`bun test, outside of a test (code ${code}; see above)`);
}

/** Some of the tests that are to run need what this word stands for. */
function asksFor(word: "needsMlflow" | "needsMoto" | "needsOlder" | "needsGuarded" | "needsStack"): boolean {
  const files = [...new Bun.Glob("tests/**/*.test.ts").scanSync({ cwd: project })];
  const chosen = only.length === 0 ? files : files.filter((file) => only.some((part) => file.includes(part.replace(/^\.\//, ""))));
  return chosen.some((file) => readFileSync(join(project, file), "utf8").includes(word));
}

/** The servers that all tests share, by the names that tests/support/mlflow.ts has for them. What cannot be had is said, and under CI=true it is a failure. */
async function startServers(): Promise<Record<string, MlflowServer>> {
  const started: Record<string, MlflowServer> = {};
  const say = (words: string): void => console.log(words);
  const have = async (name: string, get: () => Promise<unknown>): Promise<boolean> => {
    try {
      await get();
      return true;
    } catch (error) {
      console.log(`no ${name}: ${error instanceof Error ? error.message : String(error)}`);
      if (process.env["CI"] === "true") failed.push(name);
      return false;
    }
  };
  if (!(["needsMlflow", "needsMoto", "needsOlder", "needsGuarded", "needsStack"] as const).some(asksFor)) return started;
  let python = "";
  if (!(await have("MLflow server", async () => (python = await installMlflow(say))))) return started;
  const parts = asksFor("needsStack") && have("stack", async () => (stack = await installChecks(say)));
  const plain = (["proxied", "shared"] as const).map((kind) =>
    have(`${kind} MLflow server`, async () => (started[kind] = await startMlflow({ kind, directory: join(scratch, kind), python }))),
  );
  const older = async (): Promise<void> => {
    started["older"] = await startMlflow({ kind: "proxied", directory: join(scratch, "older"), python: await installLayer(OLDER, say) });
  };
  const guarded = async (): Promise<void> => {
    started["guarded"] = await startGuarded(join(scratch, "guarded"), say);
  };
  await Promise.all([
    parts,
    ...plain,
    asksFor("needsMoto") && have("S3 storage", () => installMoto(say)),
    asksFor("needsOlder") && have("older MLflow server", older),
    asksFor("needsGuarded") && have("guarded MLflow server", guarded),
  ]);
  return started;
}

function withBin(): Record<string, string | undefined> {
  return { ...process.env, PATH: `${join(project, "node_modules/.bin")}:${process.env["PATH"] ?? ""}` };
}
