import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import * as damage from "../../../src/db/bytes/damage.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { rulesFrom } from "../../../src/gc/plan/rules.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import { rebuild } from "../../../src/manifest/rebuild/rebuild.ts";
import { writeDueManifests } from "../../../src/manifest/check/write-due-manifests.ts";
import { readChecked } from "../../../src/store/read.ts";
import { openStore } from "../../../src/store/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { inWorkspace, memberOf, mend, pathOf, rewrite, rowOf, small } from "../damaged-store.ts";

const RULES = {
  orphans: true,
  failedRuns: false,
  workspaces: false,
  maxVersions: undefined,
  maxAge: undefined,
  maxSize: undefined,
  grace: "0",
};

/** A store whose database was lost together with the list of its directory. */
async function rebuiltWithout(stored: TestStore, count: number, isBroken = false): Promise<{ again: TestStore; tree: ArtifactRow }> {
  const files = small(count);
  const tree = await stored.add({ path: "d", files });
  inWorkspace(stored, tree, Object.fromEntries(Object.entries(files).map(([name, text]) => [`d/${name}`, text])));
  stored.store.transaction(() => stored.store.db.run("UPDATE runs SET manifest = 'due'"));
  writeDueManifests(stored.store);
  const { path, offset } = { path: pathOf(stored, tree.blob), ...{ offset: rowOf(stored, tree.blob).offset } };
  if (offset === null) rmSync(path);
  else rewrite(path, (bytes) => (bytes[offset + 3] = (bytes[offset + 3] as number) ^ 1));
  if (isBroken) rewrite(path, (bytes) => (bytes[bytes.length - 5] = 1));
  for (const suffix of ["", "-wal", "-shm"]) rmSync(stored.store.path(`coffer.db${suffix}`), { force: true });
  await rebuild(stored.store.settings, { force: false, dryRun: false, now: () => stored.now, check: () => undefined });
  const store: Store = openStore(stored.store.settings, { make: false, now: () => stored.now, say: () => undefined });
  const again = { ...stored, store, again: (row: ArtifactRow) => artifacts.bySeq(store.db, row.seq) as ArtifactRow };
  return { again: again as TestStore, tree: artifacts.ofRun(store.db, 1, "any")[0] as ArtifactRow };
}

const membersOf = ({ store }: TestStore): number => (store.db.query("SELECT count(*) AS n FROM tree_members").get() as { n: number }).n;

for (const count of [3, 40])
  test(`a list that comes back after a rebuild without it has its ${count} files at once, none of which was copied`, async () => {
    using stored = await openTestStore();
    const { again, tree } = await rebuiltWithout(stored, count);
    expect(membersOf(again)).toBe(0);
    const { done, after } = await mend(again);
    expect([done.repaired.map(({ from }) => from), done.damage, after.damage, membersOf(again)]).toEqual([["workspace"], [], [], count]);
    expect((await readChecked(again.store, memberOf(again, tree, 0))).toString()).toContain("small");
    again.store[Symbol.dispose]();
  });

test("the same where the pack of the list is broken too, and written anew", async () => {
  using stored = await openTestStore();
  const { again } = await rebuiltWithout(stored, 40, true);
  const { done, after } = await mend(again);
  // the list came from the workspace, the pack from itself; no file had to be told where it lies
  expect(done.repaired.map(({ from }) => from)).toEqual(["workspace", "itself"]);
  expect([done.damage, after.damage, membersOf(again)]).toEqual([[], [], 40]);
  again.store[Symbol.dispose]();
});

test("while nobody knows what lay in a directory, gc takes nothing that may have", async () => {
  using stored = await openTestStore();
  const { again } = await rebuiltWithout(stored, 40);
  const blobs = (): number => (again.store.db.query("SELECT count(*) AS n FROM blobs").get() as { n: number }).n;
  expect([damage.all(again.store.db).size, blobs()]).toEqual([1, 41]);
  const plan = planGc(
    again.store,
    rulesFrom({ ...RULES, forgetUnsynced: true }, again.store.settings.values.artifact_store.cleanup_policy),
  );
  await sweep(again.store, plan, () => false);
  expect([plan.blobs.count, blobs()]).toEqual([0, 41]);
  again.store[Symbol.dispose]();
});

test("a file whose row says no longer that it lies in a directory is told so again, and not copied", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: small(40) });
  const member = memberOf(stored, tree, 5);
  stored.store.transaction(() => stored.store.db.query("DELETE FROM tree_members WHERE member = ?").run(member.seq));
  const { found, done, after } = await mend(stored);
  expect([found.damage.map(({ what }) => what), done.repaired.map(({ from }) => from), after.damage]).toEqual([
    ["incomplete tree"],
    ["itself"],
    [],
  ]);
  expect(memberOf(stored, tree, 5)).toEqual(member);
});
