import { expect, test as bunTest } from "bun:test";
import { writeFileSync } from "node:fs";
import { says } from "../support/appears.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { place } from "./run-place.ts";

/** Namespaces as containers have them need root; under CI=true these tests fail where they cannot be made. */
const canUnshare = Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-m", "--pid", "--time", "--fork", "true"]).exitCode === 0;
const test = canUnshare || process.env["CI"] === "true" ? bunTest : bunTest.skip;
if (test !== bunTest) console.error("skipped: this user cannot make namespaces, so runs in other containers are not tried");

const OTHER_BOOT = "11111111-2222-3333-4444-555555555555";

test("whoever sees another boot, or another time since the boot, closes no run that lives, and deletes nothing of it", async () => {
  using here = place();
  const env = { COFFER_ROOT: here.root };
  const script = "echo a >$COFFER_WORKSPACE/a; echo >going; while [ -e going ] && [ ! -e go ]; do sleep 0.01; done; echo said";
  const running = spawnCoffer(["run", "--policy", "scratch", "--register", "a=a", "--", "sh", "-c", script], { cwd: here.path, env });
  await says(here.at("going"));
  const boot = here.write("boot", `${OTHER_BOOT}\n`);
  const otherBoot = ["unshare", "-m", "sh", "-c", `mount --bind ${boot} /proc/sys/kernel/random/boot_id && exec "$@"`, "sh"];
  for (const before of [otherBoot, ["unshare", "--time", "--boottime", "100000", "--fork"]]) {
    expect((await here.coffer(["gc", "--apply", "--yes", "--grace", "0"], { before })).code).toBe(0);
    const { runs } = (await here.coffer(["runs", "--json"], { before })).json<{ runs: { state: string }[] }>();
    expect(runs.map(({ state }) => state)).toEqual(["running"]);
  }
  here.write("go", "");
  expect(await running.exited).toBe(0);
  expect([await here.bytes("a"), (await here.shown()).state, (await here.coffer(["verify"])).code]).toEqual(["a\n", "finished", 0]);
});

test("a run in another container that is closed on somebody's word, and lives: it keeps its workspace and its log, and no advice leads to their loss", async () => {
  using here = place();
  // the store is there before, so that no two processes make it
  await here.coffer(["init", "--quiet"]);
  const script = "echo early; echo >going; while [ -e going ] && [ ! -e go ]; do sleep 0.01; done; echo a >$COFFER_WORKSPACE/a; echo late";
  const running = spawnCoffer(["run", "--policy", "scratch", "--register", "a=a", "--", "sh", "-c", script], {
    cwd: here.path,
    env: { COFFER_ROOT: here.root },
    before: ["unshare", "--pid", "--fork", "--mount-proc"],
  });
  await says(here.at("going"));
  const [run] = await here.runs();
  expect((await here.coffer(["runs", "close", run?.id as string])).code).toBe(5);
  expect((await here.coffer(["runs", "close", run?.id as string, "--assume-dead"])).code).toBe(0);
  writeFileSync(here.at("go"), "");
  const said = await running.stderr.text();
  expect(said).toContain("was closed by another command while its own went on, and is recorded as killed");
  expect(said).toContain("the workspace stays");
  expect((await here.coffer(["verify"])).code).toBe(0);
  expect((await here.coffer(["gc", "--apply", "--yes", "--grace", "0"])).code).toBe(0);
  const { state, artifacts, workspace } = await here.shown();
  expect(artifacts.map(({ path }) => path)).toEqual(["stdout.log"]);
  expect([state, await Bun.file(`${workspace}/a`).text(), await Bun.file(`${workspace}/stdout.log`).text()]).toEqual([
    "killed",
    "a\n",
    "early\nlate\n",
  ]);
  expect(here.leftovers()).toEqual([]);
});
