import { expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

/** SQLite's rollback journal of a database that was empty before: it takes everything back. */
function journalOfNothing(): Buffer {
  const journal = Buffer.alloc(512);
  Buffer.from("d9d505f920a163d7", "hex").copy(journal);
  journal.writeUInt32BE(512, 20);
  journal.writeUInt32BE(4096, 24);
  return journal;
}

function cutOff(root: TemporaryRoot, database: Buffer): { root: string; cwd: string } {
  mkdirSync(root.at("store"));
  writeFileSync(root.at("store/coffer.db"), database);
  writeFileSync(root.at("store/coffer.db-journal"), journalOfNothing());
  writeFileSync(root.at("file"), "bytes");
  return { root: root.at("store"), cwd: root.path };
}

test("a database of which a crash left the size and no bytes is made by the next command", async () => {
  using root = temporaryRoot();
  const options = cutOff(root, Buffer.alloc(4096));
  expect((await coffer(["ls"], options)).code).toBe(4);
  expect(await coffer(["log", "file", "--name", "kept"], options)).toMatchObject({ code: 0, stdout: "kept@v1\n" });
  expect((await coffer(["verify"], options)).code).toBe(0);
});

test("a database whose header tells of tables that SQLite takes back is made by the next command", async () => {
  using root = temporaryRoot();
  using whole = temporaryRoot();
  writeFileSync(whole.at("file"), "bytes");
  await coffer(["log", "file"], { root: whole.at("store"), cwd: whole.path });
  const options = cutOff(root, readFileSync(whole.at("store/coffer.db")));
  expect((await coffer(["ls"], options)).code).toBe(4);
  expect(await coffer(["log", "file", "--name", "kept"], options)).toMatchObject({ code: 0, stdout: "kept@v1\n" });
  expect((await coffer(["verify"], options)).code).toBe(0);
});

test("a file of zeros that no journal speaks of is refused, and stays as it is", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("store"));
  writeFileSync(root.at("store/coffer.db"), Buffer.alloc(4096));
  writeFileSync(root.at("file"), "bytes");
  expect((await coffer(["log", "file"], { root: root.at("store"), cwd: root.path })).code).toBe(5);
  expect(readFileSync(root.at("store/coffer.db")).equals(Buffer.alloc(4096))).toBe(true);
});

test("zeros that a crash left in the journal are no fault once its lines have come again, and a line that is missing is one", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("store"), cwd: root.path };
  const journal = root.at("store/manifests/journal.jsonl");
  writeFileSync(root.at("file"), "bytes");
  await coffer(["log", "file", "--name", "kept"], options);
  await coffer(["alias", "kept@v1", "first"], options);
  const before = readFileSync(journal);
  appendFileSync(journal, Buffer.alloc(100));
  await coffer(["alias", "kept@v1", "second"], options);
  expect(readFileSync(journal, "utf8")).toContain("\0\n{");
  expect((await coffer(["verify"], options)).code).toBe(0);
  writeFileSync(journal, Buffer.concat([before, Buffer.alloc(100), Buffer.from("\n")]));
  expect((await coffer(["verify"], options)).code).toBe(1);
});
