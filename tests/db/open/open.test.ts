import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { closeDatabase, leaveLogForLater, openDatabase, reading, unflushed, writing } from "../../../src/db/open/open.ts";
import { whileDeaf } from "../../../src/db/wait/patience.ts";
import { APPLICATION_ID, MIGRATIONS } from "../../../src/db/open/migrations.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";

const quiet = { make: true, say: () => undefined };

/** Every file of a directory with its bytes. */
function snapshot(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory)
      .filter((name) => !name.endsWith("-shm"))
      .map((name) => [name, Bun.hash(readFileSync(`${directory}/${name}`)).toString()]),
  );
}

function makeDatabase(path: string, statements: readonly string[]): void {
  const db = new Database(path);
  for (const statement of statements) db.run(statement);
  db.close();
}

function schemaOf(db: Database): unknown[] {
  return db.query("SELECT type, name, sql FROM sqlite_schema ORDER BY name").all();
}

function newSchema(): unknown[] {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const schema = schemaOf(db);
  closeDatabase(db);
  return schema;
}

test("a new database has the newest version, foreign keys, a write-ahead log and full syncs", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const pragma = (name: string) => Object.values(db.query(`PRAGMA ${name}`).get() as object)[0] as unknown;
  expect(["user_version", "application_id", "foreign_keys", "journal_mode", "synchronous"].map(pragma)).toEqual([
    MIGRATIONS.length,
    APPLICATION_ID,
    1,
    "wal",
    2,
  ]);
  closeDatabase(db);
});

test("opening it again changes nothing", () => {
  using root = temporaryRoot();
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  const before = snapshot(root.path);
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  expect(snapshot(root.path)).toEqual(before);
});

test("a database of each earlier version is brought up to date with its rows", () => {
  for (let version = 1; version < MIGRATIONS.length; version++) {
    using root = temporaryRoot();
    makeDatabase(root.at("coffer.db"), [
      ...MIGRATIONS.slice(0, version),
      `PRAGMA user_version = ${version}`,
      `PRAGMA application_id = ${APPLICATION_ID}`,
      "INSERT INTO runs (id, kind, state, started_at) VALUES ('old', 'log', 'finished', 1)",
    ]);
    const db = openDatabase(root.at("coffer.db"), quiet);
    expect(db.query("SELECT id, extra FROM runs").all()).toEqual([{ id: "old", extra: "{}" }]);
    expect(schemaOf(db)).toEqual(newSchema());
    closeDatabase(db);
  }
});

test("a database of a newer version is refused, and no byte of it changes", () => {
  using root = temporaryRoot();
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  makeDatabase(root.at("coffer.db"), ["PRAGMA user_version = 999"]);
  const before = snapshot(root.path);
  expect(() => openDatabase(root.at("coffer.db"), quiet)).toThrow(expect.objectContaining({ code: "STORE_NEWER" }));
  expect(snapshot(root.path)).toEqual(before);
});

test("the newer version is seen where only the write-ahead log has it, and log and file stay as they are", () => {
  using root = temporaryRoot();
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  const writer = new Database(root.at("coffer.db"));
  writer.run("PRAGMA wal_autocheckpoint = 0");
  writer.run("PRAGMA user_version = 999");
  // as a crash would leave it: the header says the old version, the log the new one
  mkdirSync(root.at("crashed"));
  for (const name of ["coffer.db", "coffer.db-wal"]) copyFileSync(root.at(name), root.at("crashed", name));
  writer.close();
  expect(readFileSync(root.at("crashed/coffer.db")).readInt32BE(60)).toBe(MIGRATIONS.length);
  const before = snapshot(root.at("crashed"));
  expect(() => openDatabase(root.at("crashed/coffer.db"), quiet)).toThrow(expect.objectContaining({ code: "STORE_NEWER" }));
  expect(snapshot(root.at("crashed"))).toEqual(before);
});

test.each([
  ["text", "this is no database, but it is long enough to be taken for one: ".repeat(4)],
  ["a few bytes", "SQLite"],
  ["the beginning of one", "SQLite format 3\0"],
])("%s is no database: refused and untouched", (_, text) => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.db"), text);
  expect(() => openDatabase(root.at("coffer.db"), quiet)).toThrow(expect.objectContaining({ code: "STORE_DAMAGED" }));
  expect(snapshot(root.path)).toEqual({ "coffer.db": Bun.hash(text).toString() });
});

test.each([
  ["without a version", ["CREATE TABLE theirs (a)"]],
  ["of version 1", ["CREATE TABLE theirs (a)", "PRAGMA user_version = 1"]],
  ["of a high version", ["CREATE TABLE theirs (a)", "PRAGMA user_version = 77"]],
])("another program's database %s is refused and untouched", (_, statements) => {
  using root = temporaryRoot();
  makeDatabase(root.at("coffer.db"), statements);
  const before = snapshot(root.path);
  expect(() => openDatabase(root.at("coffer.db"), quiet)).toThrow(
    expect.objectContaining({ code: "STORE_DAMAGED", message: expect.stringContaining("another program") }),
  );
  expect(snapshot(root.path)).toEqual(before);
});

test("a torn page is a damaged database, not a stack trace", () => {
  using root = temporaryRoot();
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  const bytes = readFileSync(root.at("coffer.db"));
  bytes.fill(0xff, 100, 4096);
  writeFileSync(root.at("coffer.db"), bytes);
  expect(() => {
    const db = openDatabase(root.at("coffer.db"), quiet);
    try {
      writing(
        db,
        () => undefined,
        () => db.run("INSERT INTO store VALUES ('a', 'b')"),
      );
    } finally {
      closeDatabase(db);
    }
  }).toThrow(expect.objectContaining({ code: "STORE_DAMAGED" }));
});

test("where there is no store and none may be made, nothing is made", () => {
  using root = temporaryRoot();
  expect(() => openDatabase(root.at("coffer.db"), { ...quiet, make: false })).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  expect(existsSync(root.at("coffer.db"))).toBe(false);
});

test("an empty file becomes a database, as SQLite takes it for one", () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.db"), "");
  closeDatabase(openDatabase(root.at("coffer.db"), quiet));
  expect(readFileSync(root.at("coffer.db")).readInt32BE(60)).toBe(MIGRATIONS.length);
});

test("processes that make one store at the same moment all end with the same one", async () => {
  using root = temporaryRoot();
  const program = `
    import { openDatabase, writing, closeDatabase } from ${JSON.stringify(`${import.meta.dir}/../../../src/db/open/open.ts`)};
    const db = openDatabase(process.argv[1], { make: true, say: () => undefined });
    writing(db, () => undefined, () => db.run("INSERT INTO store (key, value) VALUES (?, 'x')", [String(process.pid)]));
    closeDatabase(db);`;
  const children = Array.from({ length: 8 }, () =>
    Bun.spawn([process.execPath, "-e", program, root.at("coffer.db")], { stdio: ["ignore", "ignore", "pipe"] }),
  );
  const ends = await Promise.all(children.map(async (child) => [await child.stderr.text(), await child.exited]));
  expect(ends).toEqual(children.map(() => ["", 0]));
  const db = openDatabase(root.at("coffer.db"), quiet);
  expect(db.query("SELECT count(*) AS n FROM store").get()).toEqual({ n: 8 });
  closeDatabase(db);
});

test("a writer waits for another process, says once whom it waits for, and then writes", async () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const program = `
    import { Database } from "bun:sqlite";
    const db = new Database(process.argv[1]);
    db.run("BEGIN IMMEDIATE");
    db.run("INSERT INTO store VALUES ('theirs', '1')");
    process.stdout.write("holding");
    setTimeout(() => { db.run("COMMIT"); process.exit(); }, 1500);`;
  const child = Bun.spawn([process.execPath, "-e", program, root.at("coffer.db")], { stdio: ["ignore", "pipe", "inherit"] });
  await child.stdout.getReader().read();
  const said: string[] = [];
  writing(
    db,
    (words) => said.push(words),
    () => db.run("INSERT INTO store VALUES ('ours', '2')"),
  );
  expect(said).toEqual([
    expect.stringMatching(
      new RegExp(
        `^waiting for the database: process ${child.pid} \\(\\S+, since \\d{4}-\\d\\d-\\d\\dT[0-9:]{8}Z\\) is writing to it; gives up after 60 s$`,
      ),
    ),
  ]);
  expect(db.query("SELECT key FROM store WHERE key IN ('theirs', 'ours') ORDER BY key").values()).toEqual([["ours"], ["theirs"]]);
  await child.exited;
  closeDatabase(db);
});

test("nobody listens for signals from before a transaction begins until it has: a wait would hold up what is heard", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const seen: string[] = [];
  whileDeaf(() => {
    seen.push(db.inTransaction ? "deaf, too late" : "deaf");
    return () => seen.push(db.inTransaction ? "listens" : "listens, too early");
  });
  try {
    writing(
      db,
      () => undefined,
      () => seen.push("works"),
    );
  } finally {
    whileDeaf(() => () => undefined);
  }
  expect(seen).toEqual(["deaf", "listens", "works"]);
  closeDatabase(db);
});

test("work that throws leaves nothing, and the next one finds no open transaction", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const work = () =>
    writing(
      db,
      () => undefined,
      () => {
        db.run("INSERT INTO store VALUES ('a', '1')");
        writing(
          db,
          () => undefined,
          () => db.run("INSERT INTO store VALUES ('b', '1')"),
        );
        throw new Error("no");
      },
    );
  expect(work).toThrow("no");
  expect([db.inTransaction, db.query("SELECT count(*) AS n FROM store").get()]).toEqual([false, { n: 0 }]);
  closeDatabase(db);
});

test("work that is a promise is refused, and nothing that it wrote is kept", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const later = async () => {
    db.run("INSERT INTO store VALUES ('a', '1')");
    await Promise.resolve();
  };
  // @ts-expect-error: the type refuses it already
  const wrong: () => void = () => writing(db, () => undefined, later);
  expect(wrong).toThrow("must not be asynchronous");
  expect(() =>
    writing(
      db,
      () => undefined,
      () => wrong(),
    ),
  ).toThrow("must not be asynchronous");
  // @ts-expect-error: as above
  expect(() => reading(db, later)).toThrow("must not be asynchronous");
  expect([db.inTransaction, db.query("SELECT count(*) AS n FROM store").get()]).toEqual([false, { n: 0 }]);
  closeDatabase(db);
});

test("what is written unflushed is there, and full syncs are back after it, whatever happened", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), quiet);
  const synchronous = () => db.query("PRAGMA synchronous").get();
  expect(unflushed(db, () => synchronous())).toEqual({ synchronous: 1 });
  unflushed(db, () =>
    writing(
      db,
      () => undefined,
      () => db.run("INSERT INTO store VALUES ('a', '1')"),
    ),
  );
  expect(() =>
    unflushed(db, () => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect([synchronous(), db.query("SELECT key FROM store").values()]).toEqual([{ synchronous: 2 }, [["a"]]]);
  closeDatabase(db);
});

test("what a large transaction wrote is moved into the database when that is closed, and once", () => {
  using root = temporaryRoot();
  const path = root.at("coffer.db");
  const db = openDatabase(path, quiet);
  leaveLogForLater(db);
  const before = statSync(path).size;
  writing(db, quiet.say, () => {
    db.run("CREATE TABLE large (bytes BLOB)");
    db.run("INSERT INTO large VALUES (zeroblob(8000000))");
  });
  expect([statSync(path).size, statSync(`${path}-wal`).size > 8_000_000]).toEqual([before, true]);
  closeDatabase(db);
  expect([statSync(path).size > 8_000_000, existsSync(`${path}-wal`)]).toEqual([true, false]);
});
