import { expect, test } from "bun:test";
import { says } from "../support/appears.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { dies } from "../run/wrapped.ts";
import { place } from "./run-place.ts";

test("of a run whose wrapper was killed it is said that it has died, which process goes on, and how to keep what that made", async () => {
  using here = place();
  const line = "echo m >$COFFER_WORKSPACE/model.bin; echo $$ >pid; while [ ! -e go ]; do sleep 0.01; done";
  const wrapper = spawnCoffer(["run", "--", "sh", "-c", line], { cwd: here.path, env: { COFFER_ROOT: here.root } });
  const child = Number(await says(here.at("pid")));
  const { id } = await here.shown();
  expect((await here.runs())[0]).toMatchObject({ state: "running", wrapper_lost: false });
  const alive = await here.coffer(["runs", "close", id]);
  expect([alive.code, alive.stderr]).toEqual([5, expect.stringContaining("is alive: it runs here\n")]);
  // until then nobody knows the child
  while ((await here.shown(id)).host === null) await Bun.sleep(5);
  wrapper.kill("SIGKILL");
  await wrapper.exited;

  expect((await here.coffer(["runs"])).stdout).toContain("running, wrapper died");
  expect((await here.runs())[0]).toMatchObject({ state: "running", wrapper_lost: true });
  expect((await here.coffer(["show", id])).stdout).toContain("its wrapper has died");
  const close = await here.coffer(["runs", "close", id]);
  expect([close.code, close.stderr]).toEqual([5, expect.stringContaining(`its command still runs here as process ${child}\n`)]);
  expect(close.stderr).toContain("the next coffer command after its end closes it");

  here.write("go", "");
  await dies(child);
  const { stderr } = await here.coffer(["ls"]);
  const { workspace } = await here.shown(id);
  expect(stderr).toContain(`coffer log --run ${id} [--name NAME] '${workspace}/PATH'`);
  expect((await here.coffer(["log", "--run", id, "--name", "model", `${workspace}/model.bin`])).code).toBe(0);
  expect(await here.bytes("model")).toBe("m\n");
});
