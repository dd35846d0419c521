import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFailing } from "../support/failing-calls.ts";
import type { Failing } from "../support/failing-calls.ts";
import { needsExactTimes } from "../support/exact-times.ts";
import { fillDisk, mountSmall, needsMount } from "../support/mount.ts";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";

const mounted = needsMount(test);
const linux = process.platform === "linux" ? test : test.skip;

test("a disk that can all of it: each is tried, and nothing of it stays, not even what a killed doctor left", async () => {
  using here = place();
  await here.run("echo >$W/f");
  const seen = await examine(here);
  expect([seen.code, seen.of("store", "database")]).toEqual([0, expect.stringMatching(/^ok: version \d+, id .*, with a write-ahead log$/)]);
  expect(seen.findings.filter(({ area }) => area === "disk").map(({ what, state }) => `${state} ${what}`)).toEqual(
    ["file system", "locks", "write-ahead log", "rename", "flush", "clone", "hard links", "names", "times", "inodes", "read ahead"].map(
      (what) => `ok ${what}`,
    ),
  );
  const before = readdirSync(here.root);
  const longAgo = Date.now() / 1000 - 7200;
  for (const name of [".coffer-doctor-killed", ".coffer-locks-killed"]) {
    mkdirSync(join(here.root, name));
    writeFileSync(join(here.root, name, "f"), "");
    utimesSync(join(here.root, name), longAgo, longAgo);
  }
  writeFileSync(join(here.root, ".coffer-probe-killed"), "");
  utimesSync(join(here.root, ".coffer-probe-killed"), longAgo, longAgo);
  await examine(here);
  expect(readdirSync(here.root)).toEqual(before);
});

needsExactTimes(test)("whether outputs can be read ahead is said, and whether they are", async () => {
  using here = place();
  expect((await examine(here)).of("disk", "read ahead")).toBe("ok: outputs that are finished are read while the command goes on");
  here.write("coffer.yaml", "workspace: {hash_ahead: false}\n");
  expect((await examine(here)).of("disk", "read ahead")).toMatch(/^ok: it could be done, and is off \(workspace\.hash_ahead: false\)/);
});

linux("what is missing is said, with what coffer does about it", async () => {
  using here = place();
  const poor = await here.coffer(["doctor"], { before: withFailing("link", "shared-memory") });
  expect(poor.code).toBe(0);
  expect(poor.stdout).toMatch(/ok {4}write-ahead log +does not work \(.*\): the database is kept with a rollback journal/);
  expect(poor.stdout).toMatch(/ok {4}hard links +there are none: what scratch runs keep is copied/);
  const before = withFailing("shared-memory");
  await here.coffer(["log", "--metric", "a=1"], { before });
  expect((await here.coffer(["doctor"], { before })).stdout).toContain(", with a rollback journal");
});

linux.each([
  ["lock", /fail {2}locks +they cannot be taken: /],
  ["lock-lies", /fail {2}locks +two processes had one lock at the same time/],
] as [Failing, RegExp][])("a system where locks do not work (%s) fails", async (failing, words) => {
  using here = place();
  const { code, stdout, stderr } = await here.coffer(["doctor"], { before: withFailing(failing) });
  expect([code, stdout, stderr]).toEqual([1, expect.stringMatching(words), ""]);
});

mounted("what is gone when the machine stops is said, and of roots on several disks each is tried", async () => {
  using here = place();
  using _disk = mountSmall(here.at("disk"), "16m");
  const seen = await examine(here, { CORE_ARTIFACT_ROOT: here.at("disk/work") });
  expect([seen.code, seen.of("disk", "workspaces: file system")]).toEqual([
    0,
    expect.stringMatching(/^warn: tmpfs, mounted at .*\/disk: gone when the machine stops → /),
  ]);
  expect(seen.of("disk", "workspaces: read ahead")).toMatch(/^ok: not on tmpfs, .*: outputs are read when the command has ended$/);
  expect(seen.of("disk", "hard links")).toBe("ok: workspaces lie on another file system: what scratch runs keep is copied");
  expect([seen.of("disk", "workspaces: rename"), seen.of("disk", "workspaces: locks")]).toEqual([
    "ok: takes the place of another file",
    undefined,
  ]);
  expect(readdirSync(here.at("disk"))).toEqual([]);
});

mounted("a root that is read-only, or full, is told as that, and is no crash", async () => {
  using here = place();
  const env = { COFFER_ROOT: here.at("disk/store") };
  using disk = mountSmall(here.at("disk"), "4m");
  await here.coffer(["log", "--metric", "a=1"], { env });
  fillDisk(here.at("disk"));
  const full = await examine(here, env);
  expect([full.code, full.of("disk", "trials")]).toEqual([1, expect.stringMatching(/^fail: nothing can be tried in .*: no space is left/)]);
  disk.makeReadOnly();
  const readOnly = await examine(here, env);
  expect([readOnly.code, readOnly.of("disk", "trials")]).toEqual([
    1,
    expect.stringMatching(/^fail: nothing can be tried in .*: its disk is mounted read-only → mount it writable/),
  ]);
  expect(readdirSync(here.at("disk/store")).filter((name) => name.startsWith(".coffer"))).toEqual([]);
});

test("a person who wants a rollback journal has one, and a store that is there gets it", async () => {
  using here = place();
  await here.coffer(["log", "--metric", "a=1"]);
  const kept = (): number | undefined => readFileSync(join(here.root, "coffer.db"))[18];
  expect(kept()).toBe(2);
  writeFileSync(here.at("coffer.yaml"), "artifact_store: {database_journal: rollback}");
  expect((await here.coffer(["log", "--metric", "a=1"])).code).toBe(0);
  expect([kept(), statSync(join(here.root, "coffer.db-wal"), { throwIfNoEntry: false })]).toEqual([1, undefined]);
  expect((await examine(here)).of("store", "database")).toContain("with a rollback journal");
});
