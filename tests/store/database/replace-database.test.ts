import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { replaceDatabase } from "../../../src/store/database/replace-database.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import type { TemporaryRoot } from "../../support/temporary-root.ts";

/** A database in the middle of a transaction, as a crash leaves it: changed pages in the file, and the journal that takes them back. */
function leaveHotJournal(root: TemporaryRoot): void {
  const db = new Database(root.at("busy.db"));
  for (const sql of ["PRAGMA cache_size = 1", "CREATE TABLE old (a)", "INSERT INTO old VALUES ('before')", "BEGIN IMMEDIATE"]) db.run(sql);
  const insert = db.query("INSERT INTO old VALUES (randomblob(4000))");
  for (let i = 0; i < 50; i++) insert.run();
  for (const suffix of ["", "-journal"]) copyFileSync(root.at(`busy.db${suffix}`), root.at(`coffer.db${suffix}`));
  db.run("ROLLBACK");
  db.close();
}

function rowsOf(path: string, table: string): unknown[] {
  const db = new Database(path, { readwrite: true });
  try {
    return db.query(`SELECT a FROM ${table}`).values();
  } finally {
    db.close();
  }
}

test("the journal of a crash goes with the database that it belongs to, and takes nothing back in the new one", () => {
  using root = temporaryRoot();
  leaveHotJournal(root);
  const fresh = new Database(root.at("fresh.db"));
  for (const sql of ["CREATE TABLE new (a)", "INSERT INTO new VALUES ('after')"]) fresh.run(sql);
  fresh.close();
  const aside = replaceDatabase(root.path, root.at("fresh.db"), Date.now()) as string;
  expect([existsSync(root.at("coffer.db-journal")), existsSync(root.at(`${aside}-journal`))]).toEqual([false, true]);
  expect(rowsOf(root.at("coffer.db"), "new")).toEqual([["after"]]);
  expect(rowsOf(root.at(aside), "old")).toEqual([["before"]]);
});

test("a journal without its database, which a crash in between leaves, meets no other one", () => {
  using root = temporaryRoot();
  leaveHotJournal(root);
  copyFileSync(root.at("coffer.db-journal"), root.at("kept"));
  const fresh = new Database(root.at("fresh.db"));
  for (const sql of ["CREATE TABLE new (a)", "INSERT INTO new VALUES ('after')"]) fresh.run(sql);
  fresh.close();
  Bun.spawnSync(["rm", root.at("coffer.db")]);
  expect(replaceDatabase(root.path, root.at("fresh.db"), Date.now())).toBeUndefined();
  expect(rowsOf(root.at("coffer.db"), "new")).toEqual([["after"]]);
  expect(readdirSync(root.path).filter((name) => name.endsWith("-journal"))).toEqual([expect.stringMatching(/^coffer\.db\..*-journal$/)]);
});
