import { expect, test } from "bun:test";
import { copyFileSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

/** Four versions; then the second is pinned, the third has an alias, and the first, which had gone, is back: an older database knows nothing of that. */
async function putOlderBack(): Promise<Place> {
  const here = place();
  for (let version = 1; version <= 4; version++) {
    here.write("v", `version ${version}`);
    await here.coffer(["log", "v", "--name", "v"]);
  }
  await here.coffer(["rm", "v@v1"]);
  copyFileSync(join(here.root, "coffer.db"), here.at("older"));
  for (const args of [
    ["pin", "v@v2", "--note", "keep"],
    ["alias", "v@v3", "best"],
    ["restore", "v@v1"],
  ])
    expect((await here.coffer(args)).code).toBe(0);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(here.root, `coffer.db${suffix}`), { force: true });
  copyFileSync(here.at("older"), join(here.root, "coffer.db"));
  return here;
}

const JOURNAL = "manifests/journal.jsonl";
const SWEEP = ["gc", "--apply", "--max-versions", "1", "--grace", "0"];
const linesOf = (here: Place): { seq: number; did: string }[] =>
  readFileSync(join(here.root, JOURNAL), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { seq: number; did: string });

async function expectRefused(here: Place): Promise<void> {
  const before = here.binaries();
  const swept = await here.coffer(SWEEP);
  expect([swept.code, swept.stdout + swept.stderr]).toEqual([
    5,
    expect.stringMatching(/journal\.jsonl tells of changes .*rebuild --force/),
  ]);
  expect(here.binaries()).toEqual(before);
  const verified = await here.coffer(["verify", "--json"]);
  expect([verified.code, verified.json<{ damage: { what: string; detail: string }[] }>().damage]).toEqual([
    1,
    [expect.objectContaining({ what: "manifest", detail: expect.stringMatching(/changes .*\(lines 2 to 4\): coffer rebuild --force/) })],
  ]);
  expect((await examine(here)).of("store", "journal")).toMatch(/^warn: .*changes that the database .*\(lines 2 to 4\) → .*rebuild --force/);
}

test("gc takes nothing where the journal tells of pins, aliases and restored versions that an older database lacks, whatever is done next; a rebuild knows them", async () => {
  using here = await putOlderBack();
  await expectRefused(here);
  // the older one goes on
  expect((await here.coffer(["pin", "v@v4"])).code).toBe(0);
  expect(linesOf(here).map(({ seq, did }) => [seq, did])).toEqual([
    [1, "remove"],
    [2, "pin"],
    [3, "alias"],
    [4, "restore"],
    [5, "pin"],
  ]);
  await expectRefused(here);
  expect((await here.coffer(["verify", "--repair"])).code).toBe(1);
  await expectRefused(here);
  expect((await here.coffer(["rebuild", "--force"])).code).toBe(0);
  expect((await here.artifact("v@best")).version).toBe(3);
  expect(await here.coffer(["verify"])).toMatchObject({ code: 0 });
  expect((await examine(here)).of("store", "journal")).toBeUndefined();
  expect((await here.coffer([...SWEEP, "--yes"])).code).toBe(0);
  expect(await here.bytes("v@v2")).toBe("version 2");
  expect(await here.bytes("v@v3")).toBe("version 3");
  // back in sight, and then one version too many
  expect((await here.artifact("v@v1")).state).toBe("deleted");
}, 30_000);

test("a journal that is set aside by name stops gc no longer", async () => {
  using here = await putOlderBack();
  await here.coffer(["pin", "v@v4"]);
  expect((await here.coffer(SWEEP)).code).toBe(5);
  renameSync(join(here.root, JOURNAL), join(here.root, `${JOURNAL}.aside`));
  expect((await here.coffer(["verify", "--repair"])).code).toBe(0);
  expect((await here.coffer(SWEEP)).code).toBe(0);
  expect(here.binaries()).toHaveLength(1);
}, 30_000);
