import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import * as metadata from "../../../src/db/open/metadata.ts";
import { openToRead } from "../../../src/db/open/open-to-read.ts";
import { closeDatabase, openDatabase } from "../../../src/db/open/open.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import type { TemporaryRoot } from "../../support/temporary-root.ts";

const say = (): void => undefined;

/** A store's database, at rest, with a value. */
function atRest(root: TemporaryRoot, value = "one"): string {
  const path = root.at("coffer.db");
  const db = openDatabase(path, { make: true, say });
  metadata.set(db, "key", value);
  closeDatabase(db);
  return path;
}

/** A directory for temporary files that is this test's alone. */
function ownTemporary(root: TemporaryRoot): Disposable & { path: string } {
  const before = process.env["TMPDIR"];
  const path = root.at("temporary");
  mkdirSync(path);
  process.env["TMPDIR"] = path;
  return {
    path,
    [Symbol.dispose]() {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    },
  };
}

test("a database at rest is read without anything being made beside it, and can have tables of the reader's own", () => {
  using root = temporaryRoot();
  const { db, close } = openToRead(atRest(root));
  expect(metadata.get(db, "key")).toBe("one");
  db.run("CREATE TEMP TABLE mine (a)");
  db.run("INSERT INTO mine VALUES (1)");
  expect(() => metadata.set(db, "key", "two")).toThrow(/readonly/);
  close();
  expect(readdirSync(root.path)).toEqual(["coffer.db"]);
});

test("a reader learns at the end that somebody wrote to the file meanwhile", () => {
  using root = temporaryRoot();
  const path = atRest(root);
  const reader = openToRead(path);
  const writer = openDatabase(path, { make: false, say });
  metadata.set(writer, "key", "two");
  closeDatabase(writer);
  expect(() => reader.close()).toThrow(expect.objectContaining({ code: "STORE_BUSY", hint: "run it again" }));
});

test("beside a process that has it open, a reader sees what that has committed, and nothing that comes later counts as a change", () => {
  using root = temporaryRoot();
  const path = atRest(root);
  const writer = openDatabase(path, { make: false, say });
  metadata.set(writer, "key", "two");
  const { db, close } = openToRead(path);
  expect(metadata.get(db, "key")).toBe("two");
  metadata.set(writer, "key", "three");
  expect(metadata.get(db, "key")).toBe("three");
  close();
  closeDatabase(writer);
});

test("what a log holds that has lost its index is read in a copy, whose names are gone while it is read", () => {
  using root = temporaryRoot();
  const path = atRest(root);
  const writer = openDatabase(path, { make: false, say });
  metadata.set(writer, "key", "two");
  const left = root.at("left.db");
  for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${left}${end}`);
  closeDatabase(writer);
  using temporary = ownTemporary(root);
  const { db, close } = openToRead(left);
  expect(readdirSync(temporary.path)).toEqual([]);
  expect(metadata.get(db, "key")).toBe("two");
  db.run("CREATE TEMP TABLE mine (a)");
  expect(db.query("SELECT count(*) AS n FROM store").get()).toEqual({ n: 1 });
  close();
  expect(readdirSync(root.path).sort()).toEqual(["coffer.db", "left.db", "left.db-wal", "temporary"]);
});

test("the copy of a reader that was killed goes with the next one, once it is an hour old", () => {
  using root = temporaryRoot();
  const path = atRest(root);
  const writer = openDatabase(path, { make: false, say });
  const left = root.at("left.db");
  metadata.set(writer, "key", "two");
  for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${left}${end}`);
  closeDatabase(writer);
  using temporary = ownTemporary(root);
  for (const name of ["coffer-read-old", "coffer-read-young", "another"]) mkdirSync(join(temporary.path, name));
  for (const name of ["coffer-read-old", "another"]) utimesSync(join(temporary.path, name), 1, 1);
  openToRead(left).close();
  expect(readdirSync(temporary.path).toSorted()).toEqual(["another", "coffer-read-young"]);
});

test("with a rollback journal it is read beside others, and what a crash left half written is taken back in a copy", () => {
  using root = temporaryRoot();
  const path = atRest(root);
  const writer = new Database(path);
  writer.run("PRAGMA journal_mode = DELETE");
  const { db, close } = openToRead(path);
  expect(metadata.get(db, "key")).toBe("one");
  metadata.set(writer, "key", "two");
  expect(metadata.get(db, "key")).toBe("two");
  close();
  writer.run("PRAGMA cache_size = 1");
  writer.run("PRAGMA cache_spill = 1");
  writer.run("BEGIN IMMEDIATE");
  metadata.set(writer, "key", "half");
  for (let i = 0; i < 200; i++) metadata.set(writer, `filler ${i}`, "x".repeat(1000));
  const crashed = root.at("crashed.db");
  for (const end of ["", "-journal"]) copyFileSync(`${path}${end}`, `${crashed}${end}`);
  writer.run("ROLLBACK");
  writer.close();
  chmodSync(crashed, 0o444);
  const again = openToRead(crashed);
  expect(metadata.get(again.db, "key")).toBe("two");
  again.close();
});

test.each([
  ["a newer coffer", "PRAGMA user_version = 999", "STORE_NEWER", /newer coffer/],
  ["an older coffer", "PRAGMA user_version = 1", "STORE_UNUSABLE", /older coffer/],
  ["another program", "PRAGMA application_id = 1", "STORE_DAMAGED", /another program/],
])("a database of %s is refused", (_, change, code, message) => {
  using root = temporaryRoot();
  const path = atRest(root);
  const db = new Database(path);
  db.run(change);
  db.close();
  for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  expect(() => openToRead(path)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
