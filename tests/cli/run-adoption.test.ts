import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { Database } from "bun:sqlite";
import { basename, dirname } from "node:path";
import { says } from "../support/appears.ts";
import { binary, spawnCoffer } from "../support/coffer.ts";
import { isAlive } from "../run/wrapped.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { events, paths, place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const WITH_COFFER = { PATH: `${dirname(binary())}:${process.env["PATH"]}` };

/** Starts a run and waits until its child has written its pid to the file `pid`. */
async function started(
  here: Place,
  script: string,
  flags: readonly string[] = [],
): Promise<{ wrapper: ReturnType<typeof spawnCoffer>; child: number }> {
  const wrapper = spawnCoffer(["run", ...flags, "--", "sh", "-c", `echo $$ >pid; ${script}`], {
    cwd: here.path,
    env: { ...WITH_COFFER, COFFER_ROOT: here.root },
  });
  return { wrapper, child: Number(await says(here.at("pid"))) };
}

async function ends(pid: number): Promise<void> {
  while (isAlive(pid)) await Bun.sleep(5);
}

test("a killed wrapper: the child goes on and logs, and the next command after its end adopts the run with its log", async () => {
  using here = place();
  const { wrapper, child } = await started(
    here,
    'while [ ! -e go ]; do sleep 0.01; done; echo "said later"; cd $COFFER_WORKSPACE; echo c >ckpt; echo "{\\"acc\\": 0.5}" >metrics.json; coffer log ckpt --name ckpt --metric loss=3 >/dev/null || echo failed >ckpt; echo said last',
  );
  wrapper.kill("SIGKILL");
  await wrapper.exited;
  // the child lives: nothing is adopted yet
  const meanwhile = await here.coffer(["runs", "--json"]);
  expect(meanwhile.json<{ runs: { state: string }[] }>().runs[0]?.state).toBe("running");
  expect(meanwhile.stderr).toBe("");
  here.write("go", "");
  await ends(child);
  const adopting = await here.coffer(["runs", "--json"]);
  expect(adopting.stderr).toMatch(/adopted run .* whose wrapper had died: it is killed, and its workspace stays: /);
  const run = await here.shown();
  expect([run.state, run.adopted, run.exit_code, run.metrics]).toEqual(["killed", true, null, { loss: 3, acc: 0.5 }]);
  expect(await here.bytes(`${run.id}/stdout.log`)).toBe("said later\nsaid last\n");
  expect(await here.bytes("ckpt")).toBe("c\n");
  expect(filesBelow(run.workspace as string)).toEqual(["ckpt", "metrics.json"]);
  expect(here.leftovers()).toEqual([]);
  expect((await here.coffer(["runs"])).stderr).toBe("");
  expect(existsSync(`${here.root}/manifests/${run.id}.yaml`)).toBe(true);
});

test("two commands at once adopt a run once", async () => {
  using here = place();
  const { wrapper, child } = await started(here, "echo said; exec sleep 60");
  wrapper.kill("SIGKILL");
  process.kill(child, "SIGKILL");
  await Promise.all([wrapper.exited, ends(child)]);
  const said = await Promise.all(Array.from({ length: 6 }, () => here.coffer(["runs"])));
  expect(said.filter(({ stderr }) => stderr.includes("adopted run"))).toHaveLength(1);
  expect(said.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
  const run = await here.shown();
  expect([paths(run), events(run, "adopted")]).toEqual([["stdout.log"], [expect.stringContaining("wrapper had died")]]);
});

test("a wrapper that died before it could write down whom it started: the run is not adopted while its child lives", async () => {
  using here = place();
  const { wrapper, child } = await started(here, "exec sleep 60");
  wrapper.kill("SIGKILL");
  await wrapper.exited;
  {
    using db = new Database(`${here.root}/coffer.db`);
    db.run("UPDATE leases SET child = NULL");
  }
  expect((await here.runs())[0]?.state).toBe("running");
  process.kill(child, "SIGKILL");
  await ends(child);
  expect((await here.runs())[0]?.state).toBe("killed");
});

test("a run whose lease another machine holds is not adopted; runs close ends it when told that it is dead", async () => {
  using here = place();
  const { wrapper, child } = await started(here, "exec sleep 60");
  const [{ id = "" } = {}] = await here.runs();
  const alive = await here.coffer(["runs", "close", id]);
  expect([alive.code, alive.stderr]).toEqual([5, expect.stringContaining("is alive")]);
  expect((await here.coffer(["runs", "close", id, "--assume-dead"])).code).toBe(5);
  wrapper.kill("SIGKILL");
  process.kill(child, "SIGKILL");
  await Promise.all([wrapper.exited, ends(child)]);
  {
    using db = new Database(`${here.root}/coffer.db`);
    db.run(`UPDATE leases SET wrapper = json_set(wrapper, '$.host', 'elsewhere'), child = json_set(child, '$.host', 'elsewhere')`);
  }
  expect((await here.runs())[0]?.state).toBe("running");
  const unsure = await here.coffer(["runs", "close", id]);
  expect([unsure.code, unsure.stderr]).toEqual([5, expect.stringMatching(/cannot be seen from here[^]*--assume-dead/)]);
  const closed = await here.coffer(["runs", "close", id, "--assume-dead", "--json"]);
  expect([closed.code, closed.json<{ runs: { state: string }[] }>().runs[0]?.state]).toEqual([0, "killed"]);
  expect((await here.coffer(["runs", "close", id])).code).toBe(5);
  expect((await here.coffer(["runs", "close", "0000000"])).code).toBe(4);
  // whoever said so may be wrong: a wrapper that lives goes on writing there
  expect(here.leftovers().map((path) => basename(path))).toContain("stdout.log");
  await here.coffer(["gc", "--apply", "--yes", "--grace", "0"]);
  expect(here.leftovers()).toEqual([]);
});

test("a run of a container with a lasting identity is adopted by the next life of that container only", async () => {
  using here = place();
  const env = { COFFER_HOST_ID: "trainer-1", COFFER_ROOT: here.root };
  const wrapper = spawnCoffer(["run", "--", "sh", "-c", "echo $$ >pid; exec sleep 60"], { cwd: here.path, env });
  const child = Number(await says(here.at("pid")));
  wrapper.kill("SIGKILL");
  process.kill(child, "SIGKILL");
  await Promise.all([wrapper.exited, ends(child)]);
  expect((await here.runs())[0]?.state).toBe("running");
  const same = await here.coffer(["runs", "--json"], { env });
  expect(same.json<{ runs: { state: string }[] }>().runs[0]?.state).toBe("killed");
});

test("scratch runs killed at any moment: each output is in the store or still in the workspace, and nobody can write into the store through it", async () => {
  using here = place();
  await here.run("true");
  const script =
    'cd $COFFER_WORKSPACE; for i in 1 2 3 4; do head -c 200000 /dev/urandom >f$i; done; mkdir d; head -c 150000 /dev/urandom >d/g; echo s >d/s; (cat f1 f2 f3 f4 d/g d/s | cksum) >sum; cat sum >"$SUMS/$COFFER_RUN_ID"';
  const sums = here.at("sums");
  here.write("sums/.keep", "");
  const rounds = 40;
  let late = 0;
  for (let round = 0; round < rounds; round++) {
    const wrapper = spawnCoffer(["run", "--policy", "scratch", "--quiet", "--", "sh", "-c", script], {
      cwd: here.path,
      env: { COFFER_ROOT: here.root, SUMS: sums },
    });
    // most of them in the time in which the child has ended and coffer stores and clears
    const known = readdirSync(sums).length;
    while (readdirSync(sums).length === known && wrapper.exitCode === null) await Bun.sleep(1);
    await Bun.sleep((round / rounds) * 30);
    wrapper.kill("SIGKILL");
    if ((await wrapper.exited) === 0) late++;
  }
  const { stderr } = await here.coffer(["runs"]);
  expect(late).toBeLessThan(rounds);
  expect(stderr).not.toContain("error");
  expect(here.leftovers()).toEqual([]);
  expect((await here.coffer(["verify"])).code).toBe(0);
  const stored = new Map(here.binaries().map((file) => [statSync(`${here.root}/binaries/${file}`).ino, file]));
  const states = new Map<string, number>();
  for (const { id, state } of (await here.runs()).filter((run) => existsSync(`${sums}/${run.id}`))) {
    const run = await here.shown(id);
    expect(["finished", "killed"]).toContain(state);
    const left = existsSync(run.workspace as string) ? filesBelow(run.workspace as string) : [];
    const kept = paths(run);
    states.set(`${state} ${run.workspace_state}`, (states.get(`${state} ${run.workspace_state}`) ?? 0) + 1);
    for (const output of ["f1", "f2", "f3", "f4", "sum", "d"]) {
      const inWorkspace = output === "d" ? left.includes("d/g") && left.includes("d/s") : left.includes(output);
      expect([id, state, output, kept.includes(output) || inWorkspace]).toEqual([id, state, output, true]);
    }
    // an orphan of an ingest that never committed may share a killed run's file: no row names it
    if (state === "finished")
      for (const file of left) expect([id, file, stored.get(statSync(`${run.workspace}/${file}`).ino)]).toEqual([id, file, undefined]);
    if (state === "finished") expect(await checksum(here, run.id)).toBe(readFileSync(`${sums}/${id}`, "utf8"));
  }
  for (const file of here
    .binaries()
    .filter((name) => !existsSync(`${here.root}/binaries/${name}`) || statSync(`${here.root}/binaries/${name}`).nlink === 1))
    expect([file, statSync(`${here.root}/binaries/${file}`).mode & 0o222]).toEqual([file, 0]);
}, 120_000);

async function checksum(here: Place, run: string): Promise<string> {
  const paths = await Promise.all(
    ["f1", "f2", "f3", "f4", "d/g", "d/s"].map(async (path) => (await here.coffer(["get", `${run}/${path}`])).stdout.trim()),
  );
  const cat = Bun.spawnSync(["sh", "-c", 'cat "$@" | cksum', "sh", ...paths]);
  writeFileSync(here.at("last"), "");
  return cat.stdout.toString();
}
