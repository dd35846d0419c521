// what doctor sees of a store whose parts are gone, old, or not to be written to
import { expect, test } from "bun:test";
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Stats } from "../../src/registry/stats.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

async function log(here: Place, ...names: string[]): Promise<void> {
  for (const name of names) {
    here.write(`${name}.bin`, name);
    await here.coffer(["log", `${name}.bin`, "--name", name]);
  }
}

test("doctor says that binaries/ is not where it was, and which files of it are gone", async () => {
  using here = place();
  await log(here, "one", "two");
  expect((await examine(here)).of("store", "files")).toBeUndefined();
  const [first = ""] = here.binaries();
  renameSync(join(here.root, "binaries"), here.at("moved"));
  const moved = await examine(here);
  expect([moved.code, moved.of("store", "files")]).toEqual([
    1,
    expect.stringMatching(/^fail: .*\/binaries is not there, .* → put it back/),
  ]);
  here.write("three.bin", "three");
  const logged = await here.coffer(["log", "three.bin"]);
  expect([logged.code, logged.stderr]).toEqual([0, expect.stringMatching(/warning: .*\/binaries is not there, and .*: it is made anew/)]);
  rmSync(join(here.root, "binaries"), { recursive: true });
  renameSync(here.at("moved"), join(here.root, "binaries"));
  rmSync(join(here.root, "binaries", first));
  expect((await examine(here)).of("store", "files")).toMatch(/^fail: of 3 files that were looked for 2 are not there, such as binaries\//);
});

test("doctor says that manifests tell of more than an older database that was put back; stats says what a rebuild sets aside", async () => {
  using here = place();
  await log(here, "one");
  copyFileSync(join(here.root, "coffer.db"), here.at("older"));
  await log(here, "two");
  copyFileSync(here.at("older"), join(here.root, "coffer.db"));
  const seen = await examine(here);
  expect([seen.code, seen.of("store", "manifests")]).toEqual([
    0,
    expect.stringMatching(/^warn: manifests tell of 1 run that the database does not know, .* → .*coffer rebuild --force/),
  ]);
  const before = (await here.coffer(["stats", "--json"])).json<Stats>();
  expect([before.disk.aside.files, before.disk.damaged.files]).toEqual([0, 0]);
  await here.coffer(["rebuild", "--force"]);
  expect((await examine(here)).of("store", "manifests")).toBeUndefined();
  const [first = ""] = here.binaries();
  here.write(join("artifacts/damaged", "part"), first);
  const after = (await here.coffer(["stats", "--json"])).json<Stats>();
  expect([after.disk.aside.bytes > 4096, after.disk.damaged]).toMatchObject([true, { files: 1, bytes: first.length }]);
  expect((await here.coffer(["stats"])).stdout).toMatch(/\naside +\d+ .*coffer\.db\.\*\n[^]*until you remove them\n/);
});

test("doctor says who keeps others from writing, and what to do", async () => {
  using here = place();
  await log(here, "one");
  expect((await examine(here)).of("store", "lock")).toBeUndefined();
  await using holder = await holdDatabase(here.root);
  const seen = await examine(here);
  expect([seen.code, seen.of("store", "lock")]).toEqual([
    0,
    expect.stringMatching(new RegExp(`^warn: who writes has to wait: process ${holder.pid} .* → wait until process ${holder.pid} is done`)),
  ]);
});

needsMount(test)("of a disk that is mounted read-only doctor and rebuild say just that", async () => {
  using here = place();
  using disk = mountSmall(here.root, "8m");
  await log(here, "one");
  disk.makeReadOnly();
  const seen = await examine(here);
  expect(seen.of("store", "database")).toContain("with a write-ahead log");
  expect(seen.of("store", "writable")).toMatch(/^fail: .*: its disk is mounted read-only → mount it writable/);
  const { code, stderr } = await here.coffer(["rebuild"]);
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/cannot be made again: its disk is mounted read-only\n +hint: mount it writable/),
  ]);
});
