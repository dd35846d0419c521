import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { ask } from "../support/told.ts";
import { mlflow, needsMlflow, needsOlder } from "../support/mlflow.ts";
import { examine } from "./diagnosis.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { place } from "./run-place.ts";

const live = needsMlflow(test);

async function experimentsOf(uri: string): Promise<string[]> {
  const { experiments } = await ask<{ experiments: { name: string }[] }>(uri, "experiments/search", { max_results: 10_000 });
  return experiments.map(({ name }) => name);
}

test("without a server and without a store there is nothing to complain of, and nothing is made", async () => {
  using here = place();
  const seen = await examine(here);
  expect([seen.code, seen.ok]).toEqual([0, true]);
  expect(seen.of("configuration", "file")).toBe("ok: none: the defaults hold");
  expect(seen.of("store", "root")).toBe(`ok: ${here.root} (COFFER_ROOT)`);
  expect(seen.of("store", "database")).toContain("ok: there is none yet");
  expect(seen.of("store", "writable")).toBe(`ok: ${here.root} (can be made in ${here.path})`);
  expect(seen.of("store", "hashing")).toBe("ok: BLAKE3 by the native library");
  expect(seen.of("server", "address")).toMatch(/^warn: .* → set MLFLOW_TRACKING_URI/);
  expect(readdirSync(here.path)).toEqual([]);
  const { stdout } = await here.coffer(["doctor"]);
  expect(stdout).toMatch(/^configuration\n {2}ok {4}file +none: the defaults hold\nstore\n/);
  expect(stdout).toMatch(/\nserver\n {2}warn {2}address .*\n {10,}→ set MLFLOW_TRACKING_URI.*\n$/);
});

test("a mistake in the configuration is told with its place, and a database that cannot be read with what to do", async () => {
  using here = place();
  writeFileSync(here.at("coffer.yaml"), "trackin: {}\n");
  const mistaken = await examine(here);
  expect([mistaken.code, mistaken.findings.length]).toEqual([1, 1]);
  expect(mistaken.of("configuration", "file")).toMatch(/^fail: .*coffer\.yaml:1:1: .*trackin/);
  writeFileSync(here.at("coffer.yaml"), "");
  mkdirSync(here.root);
  writeFileSync(here.at("artifacts", "coffer.db"), "not a database".repeat(100));
  const damaged = await examine(here);
  expect([damaged.code, damaged.of("store", "database")]).toEqual([1, expect.stringMatching(/^fail: .* is not a coffer database → /)]);
});

live("of a server: version, login, abilities, what waits, and the way for files; no run and no experiment are made for it", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const name = `doctor ${Bun.randomUUIDv7()}`;
  const env = { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: name };
  await here.run("echo >$W/f", ["--sync", "never"], { env });
  const before = await examine(here, env);
  expect([before.code, before.of("server", "address")]).toEqual([0, `ok: ${uri} (MLFLOW_TRACKING_URI)`]);
  expect(before.of("server", "reachable")).toMatch(/^ok: MLflow 3\.[0-9.]+ answers$/);
  expect(before.of("server", "login")).toBe("ok: the server asks nobody who they are");
  expect(before.of("server", "abilities")).toBe("ok: it has: logged models, signed addresses; it has not: uploads in parts, workspaces");
  expect(before.of("files", "experiment")).toBe(`ok: “${name}” (MLFLOW_EXPERIMENT_NAME) is not there yet: the first delivery makes it`);
  expect(before.of("files", "route")).toBeUndefined();
  expect(await experimentsOf(uri)).not.toContain(name);

  const made = await ask<{ experiment_id: string }>(uri, "experiments/create", { name });
  expect((await examine(here, env)).of("files", "route")).toBe(
    `ok: below mlflow-artifacts:/${made.experiment_id}; the way there shows with a run, and none is there yet`,
  );
  await here.coffer(["sync-mlflow"], { env });
  const after = await examine(here, { ...env, MLFLOW_SKIP_ARTIFACT_LOGGING: "true" });
  expect(after.of("server", "waiting")).toBe("ok: nothing waits to be delivered");
  expect(after.of("files", "held back")).toMatch(/^warn: /);
  expect(after.of("files", "route")).toMatch(
    /^ok: through the server; large files in parts, .*: not here \(the server offers no uploads in parts\)\. Seen of run [0-9a-f]{32}, at http/,
  );
  const token = { ...env, MLFLOW_TRACKING_TOKEN: "s3cr3t" };
  const told = await here.coffer(["doctor", "--json"], { env: token });
  expect(told.stdout).toContain("it is told the bearer of MLFLOW_TRACKING_TOKEN all the same");
  expect(told.stdout).not.toContain("s3cr3t");
});

live(
  "a disk that the server sees too is proven with a marker, which is gone afterwards; one that is not the server's is said",
  async () => {
    for (const server of [mlflow.shared, mlflow.proxied]) {
      using here = place();
      const env = { MLFLOW_TRACKING_URI: server.uri, MLFLOW_EXPERIMENT_NAME: `doctor ${Bun.randomUUIDv7()}` };
      await here.run("echo >$W/f", [], { env });
      const [{ remote_run: run = null } = {}] = (await here.shown()).deliveries;
      const there = (): string[] => filesBelow(server.artifacts, true).filter((path) => path.includes(run as string));
      const before = there();
      const seen = await examine(here, { ...env, ...(server === mlflow.proxied && { MLFLOW_DEFAULT_ARTIFACT_ROOT: server.artifacts }) });
      expect([seen.code, seen.of("files", "route")]).toEqual([
        0,
        expect.stringMatching(/^ok: on a disk that the server sees too \(\/.*\), cloned or linked\./),
      ]);
      expect(before.length).toBeGreaterThan(2);
      expect(there()).toEqual(before);
      if (server === mlflow.shared) continue;
      mkdirSync(here.at("elsewhere"));
      const other = await examine(here, { ...env, MLFLOW_DEFAULT_ARTIFACT_ROOT: here.at("elsewhere") });
      expect([other.code, other.of("files", "disk")]).toEqual([
        0,
        expect.stringMatching(
          /^warn: .*elsewhere \(MLFLOW_DEFAULT_ARTIFACT_ROOT\) is not where the server keeps artifacts.* → name the directory/,
        ),
      ]);
      expect(filesBelow(here.at("elsewhere"), true)).toEqual([]);
    }
  },
);

live("an experiment that is deleted, or that nobody has, fails with what to do", async () => {
  using here = place();
  const { uri } = mlflow.proxied;
  const name = `doctor ${Bun.randomUUIDv7()}`;
  const { experiment_id } = await ask<{ experiment_id: string }>(uri, "experiments/create", { name });
  await ask(uri, "experiments/delete", { experiment_id });
  const deleted = await examine(here, { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: name });
  expect([deleted.code, deleted.of("files", "experiment")]).toEqual([
    1,
    expect.stringMatching(/^fail: .* is deleted on the server → .*--restore/),
  ]);
  const both = await examine(here, { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: "Default", MLFLOW_EXPERIMENT_ID: experiment_id });
  expect(both.of("files", "experiment")).toContain("is deleted on the server");
  const odds = await examine(here, { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: name, MLFLOW_EXPERIMENT_ID: "0" });
  expect([odds.code, odds.of("files", "experiment")]).toEqual([
    1,
    expect.stringMatching(/^fail: MLFLOW_EXPERIMENT_ID is 0, and .* → unset one/),
  ]);
  const unknown = await examine(here, { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_ID: "999999" });
  expect([unknown.code, unknown.of("files", "experiment")]).toEqual([
    1,
    expect.stringContaining("fail: the server has no experiment 999999 → correct"),
  ]);
});

needsOlder(test)("of an older server: what it has not", async () => {
  using here = place();
  const seen = await examine(here, { MLFLOW_TRACKING_URI: mlflow.older.uri });
  expect([seen.code, seen.of("server", "reachable"), seen.of("server", "abilities")]).toEqual([
    0,
    expect.stringContaining("MLflow 3.11."),
    "ok: it has: logged models; it has not: uploads in parts, signed addresses, workspaces",
  ]);
});
