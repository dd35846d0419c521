import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { appears } from "../support/appears.ts";
import { connectQuickly, newRun } from "../support/quick-connection.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { ask, seenOn } from "../support/told.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const live = needsMlflow(test);
const PRINTS = 'echo "$MLFLOW_RUN_ID|$MLFLOW_EXPERIMENT_ID|$MLFLOW_EXPERIMENT_NAME|$MLFLOW_TRACKING_URI"';
const QUICK = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

async function told(here: Place, flags: string[], env: Record<string, string>, script = PRINTS) {
  const result = await here.run(script, ["--attach", ...flags], { env: { ...QUICK, ...env } });
  const [run = "", experiment = "", name = "", uri = ""] = result.stdout.trim().split("|");
  return { ...result, run, experiment, name, uri };
}

/** A run that is under way, its child's pid and its MLflow run. */
async function underWay(here: Place, env: Record<string, string>, flags: string[] = []) {
  const wrapper = spawnCoffer(
    ["run", "--attach", ...flags, "--", "sh", "-c", 'echo "$$ $MLFLOW_RUN_ID" >.told; mv .told told; exec sleep 60'],
    {
      cwd: here.path,
      root: here.root,
      env: { ...QUICK, ...env },
    },
  );
  await appears(here.at("told"), wrapper);
  const [pid = "", remote = ""] = readFileSync(here.at("told"), "utf8").trim().split(" ");
  return { wrapper, child: Number(pid), remote };
}

async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  for (;;)
    try {
      process.kill(pid, 0);
      await Bun.sleep(5);
    } catch {
      return;
    }
}

async function statusOf(uri: string, run: string): Promise<string> {
  const answer = await fetch(`${uri}/api/2.0/mlflow/runs/get?run_id=${run}`);
  return ((await answer.json()) as { run: { info: { status: string; lifecycle_stage: string } } }).run.info.status;
}

/** The experiment of this name, as soon as it has a run. */
async function hasRuns(uri: string, name: string): Promise<{ experiment_id: string }> {
  for (;;) {
    const found = await fetch(`${uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`);
    if (found.ok) {
      const { experiment } = (await found.json()) as { experiment: { experiment_id: string } };
      const { runs = [] } = await ask<{ runs?: unknown[] }>(uri, "runs/search", { experiment_ids: [experiment.experiment_id] });
      if (runs.length > 0) return experiment;
    }
    await Bun.sleep(5);
  }
}

live("the command is told of run, experiment and server, also where only coffer.yaml names them", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  here.write("coffer.yaml", `tracking: {mlflow: {uri: "${uri}", experiment: "attach ${Bun.randomUUIDv7()}"}}`);
  const { run, experiment, name, uri: there, stderr } = await told(here, [], {});
  expect([there, name]).toEqual([uri, expect.stringMatching(/^attach /)]);
  expect(stderr).toContain(`coffer: attached to ${uri}/#/experiments/${experiment}/runs/${run}\n`);
  const { id } = await here.shown();
  expect(await seenOn(uri, { id })).toMatchObject([
    { id: run, experiment, status: "FINISHED", tags: { "mlflow.source.name": expect.stringContaining("sh -c") } },
  ]);
});

live("an attached run inside an attached run has one of its own, whose parent is the other's", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const env = { MLFLOW_TRACKING_URI: uri, PATH: `${process.cwd()}/dist:${process.env["PATH"] ?? ""}` };
  const inner = `coffer run --attach --name inner -- sh -c '${PRINTS} >inner' 2>&1`;
  const middle = `coffer run -- sh -c '${inner.replaceAll("'", `'\\''`)}'`;
  for (const script of [inner, middle]) {
    const { run: outer, code } = await told(here, [], env, `${PRINTS}; cd ${here.path}; ${script} >/dev/null`);
    const own = readFileSync(here.at("inner"), "utf8").split("|")[0] as string;
    expect([code, own]).toEqual([0, expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(own).not.toBe(outer);
    const [ended] = await here.runs().then((all) => all.filter(({ name }) => name === "inner"));
    const [seen] = await seenOn(uri, { id: ended?.id as string });
    expect([seen?.id, seen?.status]).toEqual([own, "FINISHED"]);
    if (script === inner) expect(seen?.tags["mlflow.parentRunId"]).toBe(outer);
  }
});

live("a run inside an attached one may go to another experiment", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const env = { MLFLOW_TRACKING_URI: uri, PATH: `${process.cwd()}/dist:${process.env["PATH"] ?? ""}` };
  const other = `attach ${Bun.randomUUIDv7()}`;
  const { code, stderr } = await told(here, [], env, `MLFLOW_EXPERIMENT_NAME="${other}" coffer run --name inner -- true`);
  expect([code, stderr.match(/delivered to/g)?.length]).toEqual([0, 2]);
  const [inner] = (await here.runs()).filter(({ name }) => name === "inner");
  expect((await here.shown(inner?.id)).deliveries).toMatchObject([{ experiment: other, state: "synced" }]);
});

live("with MLFLOW_RUN_ID from outside that run is it; whoever made it ends it", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const theirs = await newRun(connectQuickly(uri));
  const env = { MLFLOW_TRACKING_URI: uri, MLFLOW_RUN_ID: theirs.id, MLFLOW_EXPERIMENT_NAME: "another" };
  const { run, experiment, name } = await told(here, ["--param", "lr=1"], env);
  expect([run, experiment, name]).toEqual([theirs.id, theirs.experimentId, expect.stringMatching(/^client /)]);
  const { id } = await here.shown();
  expect(await seenOn(uri, { id })).toEqual([]);
  expect(await seenOn(uri, { id: theirs.tags.get("coffer.run_id") as string })).toMatchObject([
    { id: theirs.id, name: "a run", status: "RUNNING", params: { lr: "1" }, artifacts: { "stdout.log": expect.any(Number) } },
  ]);
});

live("a server that does not answer, or refuses, does not keep the command; the run is delivered once when it does", async () => {
  let fault: "stall" | "refuse" | "lose" | undefined;
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => {
    if (fault === "stall") return { stall: true };
    if (fault === "refuse") return { answer: "403 Forbidden" };
    // it is made, and nobody hears of it
    return fault === "lose" && request.endsWith("runs/create") ? { reset: "answer" } : undefined;
  });
  for (fault of ["stall", "refuse", "lose"] as const) {
    using here = place();
    const env = { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_HTTP_REQUEST_TIMEOUT: "3600" };
    const { code, run, stderr } = await told(here, ["--sync", "never"], env, `${PRINTS}; exit 7`);
    expect([code, run, stderr]).toEqual([7, "", expect.stringContaining("not attached, the command runs without: ")]);
    fault = undefined;
    expect((await here.coffer(["sync-mlflow"], { env })).code).toBe(0);
    const { id } = await here.shown();
    expect(await seenOn(mlflow.proxied.uri, { id })).toMatchObject([{ status: "FAILED" }]);
  }
});

test("without a server, or with an address that is none, the command runs without", async () => {
  using here = place();
  for (const [uri, words] of [
    ["", "no MLflow server is configured"],
    ["sqlite:///here.db", "no http or https address"],
    ["http://127.0.0.1:9", "127.0.0.1:9"],
  ] as const) {
    const { code, run, stderr } = await told(here, [], { ...(uri !== "" && { MLFLOW_TRACKING_URI: uri }) }, `${PRINTS}; exit 4`);
    expect([code, run, stderr]).toEqual([4, "", expect.stringMatching(new RegExp(`warning: not attached[^\\n]*${words}`))]);
  }
});

live("a killed wrapper: whoever adopts the run, the server is told of its end, and of no second run", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const env = { ...QUICK, MLFLOW_TRACKING_URI: uri };
  const { wrapper, child, remote } = await underWay(here, env, ["--sync", "never"]);
  expect(await statusOf(uri, remote)).toBe("RUNNING");
  // a run that is under way is nobody's to end
  await here.coffer(["sync-mlflow"], { env });
  expect(await statusOf(uri, remote)).toBe("RUNNING");
  wrapper.kill("SIGKILL");
  await wrapper.exited;
  await killed(child);
  // knows of no server
  expect((await here.coffer(["runs"])).stderr).toContain("adopted run");
  const report = await here.coffer(["sync-mlflow"], { env });
  expect([report.code, report.stderr]).toEqual([0, expect.stringContaining("is synced")]);
  const { id } = await here.shown();
  expect(await seenOn(uri, { id })).toMatchObject([{ id: remote, status: "KILLED" }]);
});

live("a wrapper that is killed while the server makes the run: it is found, and ended, and no second one is made", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  let holds = true;
  await using proxy = await faultyProxy(uri, (request) => (holds && request.endsWith("runs/create") ? { cutAnswerAfter: 0 } : undefined));
  const env = { ...QUICK, MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_EXPERIMENT_NAME: `attach ${Bun.randomUUIDv7()}` };
  // the answer is lost at once: what is repeated would find the run
  const wrapper = spawnCoffer(["run", "--attach", "--", "true"], {
    cwd: here.path,
    root: here.root,
    env: { ...env, MLFLOW_HTTP_REQUEST_MAX_RETRIES: "9" },
  });
  const { experiment_id } = await hasRuns(uri, env.MLFLOW_EXPERIMENT_NAME);
  wrapper.kill("SIGKILL");
  await wrapper.exited;
  holds = false;
  expect((await here.coffer(["sync-mlflow"], { env })).stderr).toContain("is synced");
  const { runs } = await ask<{ runs: { info: { status: string } }[] }>(uri, "runs/search", { experiment_ids: [experiment_id] });
  expect(runs.map(({ info }) => info.status)).toEqual(["KILLED"]);
});

live("with --sync never the end waits for sync-mlflow", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const env = { MLFLOW_TRACKING_URI: uri };
  const { run } = await told(here, ["--sync", "never"], env);
  expect(await statusOf(uri, run)).toBe("RUNNING");
  expect((await here.coffer(["sync-mlflow"], { env })).code).toBe(0);
  expect(await statusOf(uri, run)).toBe("FINISHED");
});

live("a command that cannot be started leaves no run, neither here nor there", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const name = `attach ${Bun.randomUUIDv7()}`;
  here.write("broken", "\x7fELF\0and nothing else", 0o755);
  const result = await here.coffer(["run", "--attach", "--", "./broken"], {
    env: { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: name },
  });
  expect([result.code, result.stderr]).toEqual([126, expect.stringContaining("attached to")]);
  expect(await here.runs()).toEqual([]);
  const found = await fetch(`${uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`);
  const { experiment } = (await found.json()) as { experiment: { experiment_id: string } };
  expect(await ask<object>(uri, "runs/search", { experiment_ids: [experiment.experiment_id], run_view_type: "ACTIVE_ONLY" })).toEqual({});
});

test("who asks coffer to end while it waits for the server does not wait, and the command gets the signal", async () => {
  using here = place();
  const asked = Promise.withResolvers<void>();
  using silent = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      asked.resolve();
      return new Promise<Response>(() => undefined);
    },
  });
  const wrapper = spawnCoffer(["run", "--attach", "--sync", "never", "--", "sleep", "60"], {
    cwd: here.path,
    root: here.root,
    env: { MLFLOW_TRACKING_URI: `http://127.0.0.1:${silent.port}` },
  });
  await asked.promise;
  wrapper.kill("SIGINT");
  const [said] = await Promise.all([wrapper.stderr.text(), wrapper.exited]);
  expect([wrapper.exitCode, said]).toEqual([130, expect.stringContaining("not attached, the command runs without: SIGINT")]);
  expect(await here.shown()).toMatchObject({ state: "killed", signal: "SIGINT" });
});

test("where nobody listens at attach, two tries tell, and the delivery after it is short; each says what is so", async () => {
  using here = place();
  const env = { MLFLOW_TRACKING_URI: "http://127.0.0.1:1", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "7", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0" };
  const { code, stderr } = await told(here, [], env, "exit 0");
  expect([code, stderr]).toEqual([
    0,
    expect.stringContaining("not attached, the command runs without: http://127.0.0.1:1: nobody listens there (ECONNREFUSED) (2 tries)\n"),
  ]);
  expect(stderr).toContain("warning: not delivered to MLflow yet: http://127.0.0.1:1: nobody listens there (ECONNREFUSED)\n");
  // longer than two seconds, and it would say that it is at it
  expect(stderr).not.toContain("first answer");
  expect(stderr.match(/coffer sync-mlflow/g)).toHaveLength(1);
});
