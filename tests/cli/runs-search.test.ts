import { expect, test } from "bun:test";
import type { RunSummary } from "../../src/registry/describe-run.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

async function tries(): Promise<Place> {
  const here = place();
  for (const [name, rate, accuracy] of [
    ["first", "0.01", "0.5"],
    ["second", "1e-3", "0.9"],
    ["second", "adam", "NaN"],
  ])
    await here.run(`echo '{"accuracy": ${accuracy}}' >$W/metrics.json`, [
      "--name",
      name as string,
      "--param",
      `lr=${rate}`,
      "--tag",
      "kind=try",
    ]);
  await here.run("exit 1", ["--name", "broken"]);
  return here;
}

test("runs are found by their metrics, params and tags, and sorted by them", async () => {
  using here = await tries();
  const found = async (...words: string[]) => {
    const { runs, sorted } = (await here.coffer(["runs", "--json", ...words])).json<{
      runs: RunSummary[];
      sorted?: { values: unknown[] };
    }>();
    return [runs.map(({ name }) => name), ...(sorted ? [sorted.values] : [])];
  };
  expect(await found("--sort", "metrics.accuracy:desc", "--limit", "1")).toEqual([["second"], [0.9]]);
  expect(await found("--sort", "metrics.accuracy")).toEqual([
    ["first", "second", "broken", "second"],
    [0.5, 0.9, null, "NaN"],
  ]);
  expect(await found("--sort", "params.lr", "--tag", "kind=try")).toEqual([
    ["second", "first", "second"],
    ["1e-3", "0.01", "adam"],
  ]);
  expect((await found("--sort", "started"))[0]).toEqual(["first", "second", "second", "broken"]);
  expect(await found("--where", "metrics.accuracy > 0.6", "--where", "params.lr < 0.01")).toEqual([["second"]]);
  expect(await found("--where", "state = failed", "--where", "started > 2020-01-01", "--where", "took >= 0")).toEqual([["broken"]]);
  expect(await found("--name", "second", "--state", "finished", "--since", "1h", "--where", "tags.kind = try")).toEqual([
    ["second", "second"],
  ]);
  const { stdout } = await here.coffer(["runs", "--sort", "metrics.accuracy:desc", "--limit", "1"]);
  expect(stdout).toMatch(/^RUN +metrics\.accuracy +STATE .*\n\S+ +0\.9 +finished .* second +sh -c/);
});

test("an empty list says which of the names is none, and which was meant", async () => {
  using here = await tries();
  here.write("churn", "x");
  await here.coffer(["log", "churn", "--name", "churn"]);
  const hint = async (...words: string[]): Promise<string> => {
    const { code, stderr } = await here.coffer(words);
    expect(code).toBe(0);
    return stderr;
  };
  expect(await hint("ls", "chrn")).toBe("coffer: no artifact is called “chrn”: did you mean churn?\n");
  expect(await hint("ls", "--where", "metrics.acuracy > 0")).toBe("coffer: no metric is called “acuracy”: did you mean accuracy?\n");
  expect(await hint("runs", "--where", "tags.owner = me")).toBe("coffer: no tag is called “owner”: there is kind\n");
  expect(await hint("runs", "--name", "frist")).toBe("coffer: no run is called “frist”: did you mean first?\n");
  expect(await hint("runs", "--where", "metrics.accuracy > 2")).toBe("");
  expect(await here.coffer(["ls", "--where", "metric.accuracy > 0.8"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("did you mean metrics.accuracy?"),
  });
  expect((await here.coffer(["runs", "--sort", "strated"])).stderr).toContain("did you mean started?");
});
