import { test as bunTest, expect } from "bun:test";
import { loadSettings } from "../../src/config/settings.ts";
import { unflushed } from "../../src/db/open/open.ts";
import * as journal from "../../src/db/records/journal.ts";
import { openStore } from "../../src/store/store.ts";
import { mountDisk, needsDisk } from "../support/disk/mount-disk.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { kindOf } from "./necessity.ts";

const test = needsDisk(bunTest);

test("a line reaches the journal's file after the commit of it is on the disk, also where commits are not flushed: the file never tells of more than the database", async () => {
  using root = temporaryRoot();
  await using disk = await mountDisk(root.at("disk"));
  const settings = await loadSettings({ flags: { root: root.at("disk/store"), set: {} }, env: {}, cwd: root.path });
  {
    using store = openStore(settings, { make: true, now: Date.now, say: () => undefined });
    unflushed(store.db, () => store.transaction(() => journal.append(store.db, { at: 1, did: "anew" })));
  }
  const kinds = disk.operations().map((operation) => `${operation.op} ${kindOf(operation)}`);
  const told = kinds.indexOf("write manifests/journal.jsonl");
  const flushed = kinds.lastIndexOf("sync coffer.db-wal", told);
  const committed = kinds.lastIndexOf("write coffer.db-wal", told);
  expect([committed > 0, flushed > committed]).toEqual([true, true]);
});
