import { expect, test } from "bun:test";
import { place } from "./run-place.ts";

test("params.json, params.yaml and metrics.json of the workspace are read, with Python's NaN and Infinity", async () => {
  using here = place();
  await here.run(`
    printf '{"lr": 1e-05, "optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "big": 12345678901234567890}' >$W/params.json
    printf 'epochs: 3\\nnested: {deep: true}\\n' >$W/params.yaml
    printf '{"loss": [0.5, NaN, 0.25], "val": {"f1": -Infinity}, "acc": 0.9}' >$W/metrics.json`);
  const run = await here.shown();
  expect(run.params).toEqual({
    lr: "1e-05",
    "optimizer.name": "adam",
    "optimizer.betas.0": "0.9",
    "optimizer.betas.1": "0.999",
    big: "12345678901234567890",
    epochs: "3",
    "nested.deep": "true",
  });
  expect(run.metrics).toEqual({ loss: 0.25, "val.f1": "-Infinity", acc: 0.9 });
  expect(run.artifacts.map(({ path }) => path).toSorted()).toEqual(["metrics.json", "params.json", "params.yaml"]);
});

test("--params and --metrics name files anywhere, and then the workspace's own are not read", async () => {
  using here = place();
  here.write("conf/p.yaml", "a: 1\n");
  here.write("conf/more.json", '{"b": 2}');
  here.write("m.json", '{"acc": 0.5}');
  await here.run(`echo '{"c": 3}' >$W/params.json; echo '{"loss": 1}' >$W/metrics.json`, [
    "--params",
    "conf/p.yaml",
    "--params",
    "conf/more.json",
    "--metrics",
    "m.json",
  ]);
  const run = await here.shown();
  expect([run.params, run.metrics]).toEqual([{ a: "1", b: "2" }, { acc: 0.5 }]);
});

test("what --param says holds over a file, and the rest of the file is read", async () => {
  using here = place();
  await here.run(`echo '{"lr": 0.5, "seed": 1}' >$W/params.json`, ["--param", "lr=0.1"]);
  expect((await here.shown()).params).toEqual({ lr: "0.1", seed: "1" });
});

test("a broken file costs nothing but itself: it is said, recorded, and kept", async () => {
  using here = place();
  const result = await here.run(`echo '{"acc": ' >$W/metrics.json; echo '{"a": 1}' >$W/params.json`, [
    "--metrics",
    "gone.json",
    "--metrics",
    "artifacts",
  ]);
  expect(result.code).toBe(0);
  expect(result.stderr).toContain("gone.json was not read");
  const other = await here.run(`echo '{"acc": ' >$W/metrics.json; mkfifo $W/params.json`);
  expect(other.code).toBe(0);
  const run = await here.shown();
  expect(run.events.map(({ message }) => message).join("\n")).toMatch(
    /params\.json was not read: it is not a file[\s\S]*metrics\.json was not read: /,
  );
  expect(run.artifacts.map(({ path }) => path)).toEqual(["metrics.json"]);
});

test("params and metrics of a failing run stay", async () => {
  using here = place();
  await here.run(`echo '{"a": 1}' >$W/params.json; echo '{"acc": 0.5}' >$W/metrics.json; coffer_log() { :; }; exit 3`, ["--param", "b=2"]);
  const run = await here.shown();
  expect([run.state, run.params, run.metrics]).toEqual(["failed", { a: "1", b: "2" }, { acc: 0.5 }]);
});
