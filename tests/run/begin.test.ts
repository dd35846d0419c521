import { Database } from "bun:sqlite";
import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "bun:test";
import { place } from "../cli/run-place.ts";
import { spawnCoffer } from "../support/coffer.ts";

test("a run that is killed before its row is there leaves no workspace, and a rebuild makes no run of it", async () => {
  using here = place();
  await here.run("echo a >$W/a");
  using db = new Database(`${here.root}/coffer.db`);
  db.run("BEGIN IMMEDIATE");
  const waiting = spawnCoffer(["run", "--", "true"], { cwd: here.path, env: { COFFER_ROOT: here.root } });
  const heard = waiting.stderr.getReader();
  // it says so once it has nothing else to do before the row
  expect(new TextDecoder().decode((await heard.read()).value)).toContain("waiting");
  waiting.kill("SIGKILL");
  await waiting.exited;
  db.run("ROLLBACK");
  expect(readdirSync(`${here.root}/work/runs`)).toHaveLength(1);
  expect((await here.coffer(["rebuild", "--force"])).code).toBe(0);
  expect(await here.runs()).toHaveLength(1);
});

test("a workspace that cannot be made leaves no run", async () => {
  using here = place();
  here.write("work/runs", "a file");
  const failed = await here.coffer(["run", "--", "touch", here.at("ran")], { env: { CORE_ARTIFACT_ROOT: here.at("work") } });
  expect([failed.code, existsSync(here.at("ran"))]).toEqual([125, false]);
  expect(await here.runs()).toEqual([]);
  expect(here.leftovers()).toEqual([]);
});
