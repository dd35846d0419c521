import { expect, test } from "bun:test";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

/** Nobody listens at port 1. */
const WRONG = "http://127.0.0.1:1";
const env = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };

/** Two versions of a model, each logged with these variables. */
async function models(here: Place, variables: Record<string, string> = {}): Promise<void> {
  for (const words of ["one", "two"]) {
    here.write("model", words);
    expect(await here.coffer(["log", "model", "--name", "model"], { env: { ...env, ...variables } })).toMatchObject({ code: 0 });
  }
}

async function keptBy(here: Place): Promise<string[]> {
  const plan = (await here.coffer(["gc", "--max-versions", "1", "--json"])).json<{ kept: { because: string }[] }>();
  return plan.kept.map(({ because }) => because);
}

const targets = async (here: Place): Promise<unknown[]> =>
  (await here.coffer(["stats", "--uploads", "--json"])).json<{ servers: { target: string; runs: { pending: number } }[] }>().servers;

test("an address that nobody answers at, named for one call, leaves nothing behind", async () => {
  using here = place();
  await models(here);
  for (const call of [["--uri", WRONG], []]) {
    const told = await here.coffer(["sync-mlflow", ...call, "--json"], {
      env: { ...env, ...(call.length === 0 && { MLFLOW_TRACKING_URI: WRONG }) },
    });
    expect(told.code).toBe(3);
    expect(told.json()).toMatchObject({ left: 2, stopped: expect.stringContaining("nobody listens there") });
    expect(told.stderr).toContain("2 runs that nobody had sent there before do not wait for it");
  }
  expect(await targets(here)).toEqual([]);
  expect(await keptBy(here)).toEqual([]);
  expect((await here.coffer(["rebuild", "--force"])).code).toBe(0);
  expect(await targets(here)).toEqual([]);
});

test("what waits for the server of the configuration stays, whether that ever answered or not", async () => {
  using here = place();
  await models(here);
  here.write("coffer.yaml", `tracking:\n  mlflow:\n    uri: ${WRONG}\n`);
  expect((await here.coffer(["sync-mlflow"], { env })).code).toBe(3);
  expect(await keptBy(here)).toEqual([`not delivered to ${WRONG} yet`]);
});

test("a server is forgotten with all that waits for it, also by gc and by a rebuild; everybody who meets it says how", async () => {
  using here = place();
  await models(here, { MLFLOW_TRACKING_URI: WRONG });
  const hint = `coffer sync-mlflow --forget ${WRONG}`;
  const plan = await here.coffer(["gc", "--max-versions", "1"]);
  expect([plan.stdout, plan.stderr]).toEqual([expect.stringContaining(`not delivered to ${WRONG} yet`), expect.stringContaining(hint)]);
  expect((await here.coffer(["gc", "why", "model@v1"])).stderr).toContain(hint);
  expect((await here.coffer(["stats", "--uploads"])).stderr).toContain(hint);
  const { of } = await examine(here);
  expect(of("server", "waiting elsewhere")).toMatch(
    /^warn: 2 runs wait to be delivered to http:\/\/127.0.0.1:1, .*--forget http:\/\/127.0.0.1:1/,
  );

  expect(await here.coffer(["sync-mlflow", "--forget", "http://else"])).toMatchObject({ code: 4, stderr: expect.stringContaining(WRONG) });
  expect(await here.coffer(["sync-mlflow", "--forget", WRONG, "--check"])).toMatchObject({ code: 2 });
  expect((await here.coffer(["sync-mlflow", "--forget", WRONG, "--dry-run", "--json"])).json()).toMatchObject({
    target: WRONG,
    runs: [
      { artifacts: 1, state: "waiting" },
      { artifacts: 1, state: "waiting" },
    ],
  });
  expect(await keptBy(here)).toHaveLength(1);
  const given = await here.coffer(["sync-mlflow", "--forget", `${WRONG}/`]);
  expect([given.code, given.stderr]).toEqual([0, expect.stringContaining(`2 runs will not be delivered to ${WRONG}`)]);
  for (const rebuilt of [false, true]) {
    if (rebuilt) expect((await here.coffer(["rebuild", "--force"])).code).toBe(0);
    expect(await keptBy(here)).toEqual([]);
    expect(await targets(here)).toMatchObject([{ waiting: 0, failed: 0, runs: { pending: 0, forgotten: 2 } }]);
    expect((await here.coffer(["stats", "--uploads"])).stderr).toBe("");
  }
});

test("an experiment that nothing goes to is said, with those that there are", async () => {
  using here = place();
  await models(here, { MLFLOW_TRACKING_URI: WRONG, MLFLOW_EXPERIMENT_NAME: "churn" });
  const told = async (experiment: string): Promise<string> =>
    (await here.coffer(["sync-mlflow", "--uri", WRONG, "--dry-run", "--experiment", experiment], { env })).stderr;
  expect(await told("chrun")).toContain("no experiment is called “chrun”: did you mean churn?");
  expect(await told("churn")).toBe("");
});
