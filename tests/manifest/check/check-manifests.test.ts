import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { checkManifests } from "../../../src/manifest/check/check-manifests.ts";
import { openStore } from "../../../src/store/store.ts";
import { openTestStore } from "../../support/store.ts";

const ALL = { share: 1, random: Math.random, stop: () => false };

test("faults of manifests are told where nothing can be written, too", async () => {
  using test = await openTestStore();
  const run = test.run();
  await test.add({ run });
  test.store.db.run("UPDATE runs SET manifest = 'due'");
  writeDueManifests(test.store);
  const path = test.store.path("manifests", `${run.id}.yaml`);
  rmSync(path);
  using store = openStore(test.store.settings, { make: false, access: "look", now: test.store.now, say: () => undefined });
  expect(store.readOnly).toBeDefined();
  expect((await checkManifests(store, ALL)).map((one) => [one.what, one.path])).toEqual([["manifest", path]]);
});
