import { afterEach, beforeEach, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { indexFaults } from "../../../src/db/check/index-faults.ts";
import * as integrity from "../../../src/db/check/integrity.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

let t: TestStore;
beforeEach(async () => {
  t = await openTestStore();
  const first = await t.add({ name: "model", path: "one.bin", bytes: "first" });
  await t.add({ name: "model", path: "one.bin", bytes: "second", dependsOn: [first] });
  const other = await t.add({ name: "other", path: "two.bin", bytes: "third", dependsOn: [first] });
  await t.add({ path: "many", files: Object.fromEntries(Array.from({ length: 40 }, (_, nth) => [`${nth}.txt`, `small ${nth}`])) });
  t.store.db.run("UPDATE artifacts SET state = 'removed', state_at = 5 WHERE seq = ?", [other.seq]);
  t.store.db.run(
    "INSERT INTO deliveries (seq, run, target, experiment, state, updated_at) SELECT 1, min(seq), 'http://server', 'e', 'pending', 1 FROM runs",
  );
  t.store.db.run("INSERT INTO outbox (delivery, step, artifact) VALUES (1, 'artifact', 2)");
});
afterEach(() => t[Symbol.dispose]());

/** A copy whose rows are changed, but for the pages of one index, which are as they were: well-formed, and wrong. */
function behind(index: string, change: string): Database {
  const path = t.store.path(`${Bun.randomUUIDv7()}.db`);
  t.store.db.query("VACUUM INTO ?").run(path);
  const before = readFileSync(path);
  using db = new Database(path);
  db.run("PRAGMA ignore_check_constraints = ON");
  db.run("PRAGMA foreign_keys = OFF");
  expect(db.run(change).changes).toBeGreaterThan(0);
  const pages = db.query("SELECT pageno FROM dbstat WHERE name = ?").values(index) as [number][];
  const { page_size: size } = db.query("PRAGMA page_size").get() as { page_size: number };
  const after = readFileSync(path);
  for (const [page] of pages) before.copy(after, (page - 1) * size, (page - 1) * size, page * size);
  db.close();
  writeFileSync(path, after);
  return new Database(path);
}

const CHANGES: Record<string, [index: string, change: string]> = {
  "bytes that an artifact has": ["artifacts_by_blob", "UPDATE artifacts SET blob = blob + 1 WHERE seq = 1"],
  "bytes that two artifacts have of one another": [
    "artifacts_by_blob",
    "UPDATE artifacts SET blob = (SELECT sum(blob) FROM artifacts WHERE seq IN (1, 2)) - blob WHERE seq IN (1, 2)",
  ],
  "a time": ["artifacts_in_sight", "UPDATE artifacts SET created_at = created_at + 64 WHERE seq = 2"],
  "what is in sight": ["artifacts_in_sight", "UPDATE artifacts SET state = 'withdrawn' WHERE seq = 2"],
  "what is out of sight": ["artifacts_out_of_sight", "UPDATE artifacts SET state_at = 4 WHERE state = 'removed'"],
  "what is buried": ["artifacts_buried", "UPDATE artifacts SET state = 'deleted', blob = NULL WHERE seq = 1"],
  "a run": ["artifacts_by_run", "UPDATE artifacts SET run = run + 1 WHERE seq = 1"],
  "a version": ["artifacts_by_name", "UPDATE artifacts SET version = 7 WHERE seq = 1"],
  "a name": ["artifacts_by_name", "UPDATE artifacts SET name = 'modem' WHERE seq = 1"],
  "a row that is not in the index": ["artifacts_by_name", "UPDATE artifacts SET name = 'fourth' WHERE name IS NULL"],
  "a path": ["blobs_by_path", "UPDATE blobs SET path = path || 'x' WHERE seq = 1"],
  "a size in a pack": ["blobs_by_pack", "UPDATE blobs SET size = size + 1 WHERE seq = (SELECT max(seq) FROM blobs WHERE pack IS NOT NULL)"],
  "a path of a run": ["artifacts_by_run", "UPDATE artifacts SET path = path || 'x' WHERE seq = 1"],
  "a pack's path": ["sqlite_autoindex_packs_2", "UPDATE packs SET path = path || 'x'"],
  "an artifact that is not there": ["sqlite_autoindex_artifacts_1", "DELETE FROM artifacts WHERE seq = 3"],
  "bytes that are not there": ["sqlite_autoindex_blobs_1", "DELETE FROM blobs WHERE seq = 3"],
  "an id of a run": ["sqlite_autoindex_runs_1", "UPDATE runs SET id = id || 'x' WHERE seq = 1"],
  "when a run ended": ["runs_ended", "UPDATE runs SET ended_at = ended_at + 1 WHERE seq = 1"],
  "what is to be delivered": ["outbox_entry", "UPDATE outbox SET artifact = 1 WHERE artifact = 2"],
  "what is on its way out": ["blobs_going", "UPDATE blobs SET state = 'trashed' WHERE seq = 1"],
  "what nobody read": ["blobs_unread", "UPDATE blobs SET state = 'unverified' WHERE seq = 1"],
  "a run that goes on": ["runs_running", "UPDATE runs SET state = 'running' WHERE seq = 1"],
  "what something was made from": ["edges_by_dependency", "UPDATE edges SET dependency = 4 WHERE artifact = 2"],
  "what a directory has": [
    "tree_members_by_member",
    "UPDATE tree_members SET member = 1 WHERE member = (SELECT max(member) FROM tree_members)",
  ],
};

for (const [what, [index, change]] of Object.entries(CHANGES))
  test(`${what}: rows and index say different things, and that is found`, () => {
    using db = behind(index, change);
    expect(indexFaults(db)).toContainEqual(expect.stringContaining(index));
  });

test("what another process commits in between is no fault", () => {
  using other = new Database(t.store.path("coffer.db"));
  const blob = "(SELECT min(seq) FROM blobs)";
  const lease = other.run("INSERT INTO leases (token, kind, wrapper, taken_at) VALUES ('other', 'ingest', '{}', 1)").lastInsertRowid;
  let turns = 0;
  class Between extends Database {
    override query: Database["query"] = (sql: string) => {
      other.run(turns++ % 2 ? `DELETE FROM lease_blobs` : `INSERT INTO lease_blobs VALUES (${lease}, ${blob})`);
      return super.query(sql) as never;
    };
  }
  using db = new Between(t.store.path("coffer.db"));
  expect(indexFaults(db)).toEqual([]);
  expect(turns).toBeGreaterThan(20);
});

test("numbers of any size are summed, and one that is wrong among them is found", () => {
  t.store.db.run("UPDATE artifacts SET created_at = 9223372036854775807 - seq, state_at = -9223372036854775807 + seq");
  t.store.db.run("UPDATE artifacts SET state = 'removed'");
  expect(indexFaults(t.store.db)).toEqual([]);
  t.store.db.run("UPDATE artifacts SET state = 'live'");
  expect(indexFaults(t.store.db)).toEqual([]);
  using nearly = behind("artifacts_in_sight", "UPDATE artifacts SET created_at = created_at - 1 WHERE seq = 2");
  expect(indexFaults(nearly)).toEqual([expect.stringContaining("artifacts_in_sight")]);
  using swapped = behind("artifacts_in_sight", "UPDATE artifacts SET created_at = 9223372036854775807 - 3 + seq WHERE seq IN (1, 2)");
  expect(indexFaults(swapped)).toEqual([expect.stringContaining("artifacts_in_sight")]);
});

test("a state that is none is found", () => {
  const { db } = t.store;
  db.run("PRAGMA ignore_check_constraints = ON");
  db.run("UPDATE artifacts SET state = 'lixe' WHERE seq = 1");
  expect(indexFaults(db)).toEqual(["rows have a state that is none"]);
});

test("a whole database has no fault, and its rows are judged again after a look at its structure", () => {
  const { db } = t.store;
  expect([indexFaults(db), integrity.structureFault(db)]).toEqual([[], undefined]);
  expect(() => db.run("UPDATE artifacts SET state = 'lixe' WHERE seq = 1")).toThrow("CHECK");
});
