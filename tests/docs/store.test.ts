import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { binary } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { codeSpans, section } from "./markdown.ts";
import { playPage, project, readPage } from "./page.ts";

const page = readPage("docs/store.md");

test("the store can be read as docs/store.md says", async () => {
  using tools = temporaryRoot();
  // a machine without the sqlite3 tool has SQLite all the same: in Bun
  if (!Bun.which("sqlite3")) {
    writeFileSync(
      tools.at("sqlite3"),
      `#!${process.execPath}\nconst { Database } = require("bun:sqlite");\nconst [file, sql] = process.argv.slice(2);\nfor (const row of new Database(file).query(sql).values()) console.log(row.join("|"));\n`,
    );
    chmodSync(tools.at("sqlite3"), 0o755);
  }
  expect(await playPage(page, { onPath: [dirname(binary()), tools.path].join(delimiter) })).toEqual([]);
});

test("every table and column that the page names is in the schema", () => {
  const folder = "src/db/migrations";
  const sql = readdirSync(join(project, folder))
    .map((name) => readPage(`${folder}/${name}`))
    .join("\n");
  const words = new Set(sql.match(/[a-z_][a-z0-9_]*/g));
  const named = codeSpans(section(page, "Which tables answer what")).flatMap((code) => code.match(/[a-z_][a-z0-9_]*/g) ?? []);
  expect(named.length).toBeGreaterThan(80);
  const isThere = (word: string): boolean => words.has(word) || (word.endsWith("_") && [...words].some((known) => known.startsWith(word)));
  expect(named.filter((word) => !isThere(word))).toEqual([]);
});
