import { readFileSync, rmSync, truncateSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { VerifyReport } from "../../src/cli/verify/report.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const KILLS = 10;

test("a repair that is killed at any moment is finished by the next one, and nothing is lost", async () => {
  using here = place();
  await here.run("for i in $(seq 30); do echo single $i >$W/$i.bin; done; mkdir $W/d; for i in $(seq 60); do echo file $i >$W/d/$i; done");
  const before = await here.digests();
  let wasKilled = 0;
  for (let round = 0; round < KILLS; round++) {
    const singles = here.binaries().filter((name) => name.endsWith(".bin"));
    const packs = here.binaries().filter((name) => name.endsWith(".tar"));
    for (const name of singles.filter((_, nth) => nth % 2 === round % 2)) rmSync(join(here.root, "binaries", name));
    for (const name of packs) {
      const path = join(here.root, "binaries", name);
      chmodSync(path, 0o644);
      truncateSync(path, Math.floor(readFileSync(path).length / 2));
    }
    const child = spawnCoffer(["verify", "--repair"], { cwd: here.path, env: { COFFER_ROOT: here.root } });
    const timer = setTimeout(() => child.kill("SIGKILL"), 60 + Math.random() * 250);
    await child.exited;
    clearTimeout(timer);
    if (child.signalCode === "SIGKILL") wasKilled++;
    const again = await here.coffer(["verify", "--repair", "--json"]);
    expect([round, again.code, again.json<VerifyReport>().damage]).toEqual([round, 0, []]);
    expect((await here.coffer(["verify"])).code).toBe(0);
    expect(await here.digests()).toEqual(before);
  }
  expect(wasKilled).toBeGreaterThan(0);
  expect((await here.coffer(["runs"])).code).toBe(0);
  expect(here.leftovers()).toEqual([]);
}, 120_000);

test("two repairs, a gc and somebody who logs the same files do not disturb each other", async () => {
  using here = place();
  await here.run("mkdir $W/d; for i in $(seq 200); do echo file $i >$W/d/$i; done");
  for (let i = 1; i <= 20; i++) here.write(`d/${i}`, `file ${i}\n`);
  const before = await here.digests();
  for (let round = 0; round < 4; round++) {
    for (const name of here.binaries().filter((name) => name.endsWith(".tar"))) {
      const path = join(here.root, "binaries", name);
      chmodSync(path, 0o644);
      truncateSync(path, Math.min(30_000, readFileSync(path).length - 1));
    }
    const results = await Promise.all([
      here.coffer(["verify", "--repair"]),
      here.coffer(["verify", "--repair"]),
      here.coffer(["gc", "--apply", "--grace", "0"]),
      here.coffer(["log", "d", "--name", `again-${round}`]),
    ]);
    expect([round, results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))]).toEqual([round, [0, 0, 0, 0]]);
    expect((await verifyWhole(here)).damage).toEqual([]);
  }
  expect(await here.digests()).toMatchObject(before);
}, 60_000);

async function verifyWhole(here: Place): Promise<VerifyReport> {
  return (await here.coffer(["verify", "--json"])).json<VerifyReport>();
}
