import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { lacksSharedMemory } from "../../../src/db/open/journal-mode.ts";
import { closeDatabase, openDatabase, unflushed, versionOnDisk, writing } from "../../../src/db/open/open.ts";
import { MIGRATIONS } from "../../../src/db/open/migrations.ts";
import { withFailing } from "../../support/failing-calls.ts";
import type { Failing } from "../../support/failing-calls.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";

const say = (): void => undefined;
const linux = process.platform === "linux" ? test : test.skip;

function pragma(db: Database, name: string): unknown {
  return Object.values(db.query(`PRAGMA ${name}`).get() as object)[0];
}

/** What a database is kept with, by its own header. */
function kept(path: string): "log" | "rollback" {
  return readFileSync(path)[18] === 2 ? "log" : "rollback";
}

function add(db: Database, key: string): void {
  writing(db, say, () => db.run("INSERT INTO store VALUES (?, 'x')", [key]));
}

/** Opens a database where some calls fail, adds a row, and tells how it went. */
function openWhere(failing: Failing, path: string, options = "{}"): { out: string; err: string } {
  const program = `
    import { openDatabase, writing, closeDatabase } from ${JSON.stringify(`${import.meta.dir}/../../../src/db/open/open.ts`)};
    const say = (words) => console.log(words);
    try {
      const db = openDatabase(process.argv[1], { make: true, say, ...${options} });
      writing(db, say, () => db.run("INSERT INTO store VALUES ('there', 'x')"));
      console.log(db.query("PRAGMA journal_mode").get().journal_mode, db.query("PRAGMA synchronous").get().synchronous);
      closeDatabase(db);
    } catch (error) { console.log(error.code, error.message, error.hint); }`;
  const { stdout, stderr } = Bun.spawnSync([...withFailing(failing), process.execPath, "-e", program, path], { stderr: "pipe" });
  return { out: stdout.toString().trim(), err: stderr.toString() };
}

test("a rollback journal is flushed with its directory, readers wait for writers, and nothing is ever left unflushed", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), { make: true, say, journal: "rollback", limit: 7000 });
  expect(["journal_mode", "synchronous", "busy_timeout"].map((name) => pragma(db, name))).toEqual(["delete", 3, 7000]);
  add(db, "a");
  expect(unflushed(db, () => pragma(db, "synchronous"))).toBe(3);
  expect([pragma(db, "synchronous"), pragma(db, "busy_timeout"), existsSync(root.at("coffer.db-wal"))]).toEqual([3, 7000, false]);
  closeDatabase(db);
  expect(kept(root.at("coffer.db"))).toBe("rollback");
});

test("with a rollback journal a commit waits for those who read, says so, and is done once they have", async () => {
  using root = temporaryRoot();
  const path = root.at("coffer.db");
  const db = openDatabase(path, { make: true, say, journal: "rollback", limit: 10_000 });
  const program = `
    import { Database } from "bun:sqlite";
    import { existsSync } from "node:fs";
    const db = new Database(process.argv[1]);
    db.run("BEGIN");
    db.query("SELECT * FROM store").all();
    process.stdout.write("reading");
    while (!existsSync(process.argv[2])) Bun.sleepSync(10);
    db.run("COMMIT");`;
  await using reader = Bun.spawn([process.execPath, "-e", program, path, root.at("heard")], { stdout: "pipe" });
  await reader.stdout.getReader().read();
  const heard: string[] = [];
  writing(
    db,
    (words) => {
      heard.push(words);
      writeFileSync(root.at("heard"), "");
    },
    () => db.run("INSERT INTO store VALUES ('there', 'x')"),
  );
  expect(heard).toEqual([expect.stringMatching(/^waiting for the database: .*reading it; gives up after 10 s$/)]);
  expect(db.query("SELECT key FROM store").all()).toEqual([{ key: "there" }]);
  expect(pragma(db, "busy_timeout")).toBe(10_000);
  expect(await reader.exited).toBe(0);
  closeDatabase(db);
});

test("a database that has a rollback journal keeps it, until a person wants a write-ahead log; and the other way round", () => {
  using root = temporaryRoot();
  const path = root.at("coffer.db");
  closeDatabase(openDatabase(path, { make: true, say, journal: "rollback" }));
  for (const [journal, expected] of [
    ["auto", "rollback"],
    ["wal", "log"],
    ["auto", "log"],
    ["rollback", "rollback"],
  ] as const) {
    const db = openDatabase(path, { make: false, say, journal });
    add(db, `${journal} ${expected}`);
    closeDatabase(db);
    expect([journal, kept(path)]).toEqual([journal, expected]);
  }
  const db = openDatabase(path, { make: false, say });
  expect(db.query("SELECT count(*) AS n FROM store").get()).toEqual({ n: 4 });
  closeDatabase(db);
});

test("what a crash left in a write-ahead log is in the database when it has left its log", () => {
  using root = temporaryRoot();
  const db = openDatabase(root.at("coffer.db"), { make: true, say });
  db.run("PRAGMA wal_autocheckpoint = 0");
  add(db, "in the log");
  for (const suffix of ["", "-wal"]) copyFileSync(root.at(`coffer.db${suffix}`), root.at(`crashed.db${suffix}`));
  closeDatabase(db);
  const again = openDatabase(root.at("crashed.db"), { make: false, say, journal: "rollback" });
  expect([again.query("SELECT key FROM store").values(), kept(root.at("crashed.db")), existsSync(root.at("crashed.db-wal"))]).toEqual([
    [["in the log"]],
    "rollback",
    false,
  ]);
  closeDatabase(again);
});

linux(
  "where processes cannot share memory, a new database gets a rollback journal, and one with a log leaves it when that is asked for",
  () => {
    using root = temporaryRoot();
    expect(openWhere("shared-memory", root.at("new.db"))).toEqual({ out: "delete 3", err: "" });
    expect([kept(root.at("new.db")), versionOnDisk(root.at("new.db"))]).toEqual(["rollback", MIGRATIONS.length]);
    closeDatabase(openDatabase(root.at("moved.db"), { make: true, say }));
    expect(openWhere("shared-memory", root.at("moved.db"), '{ journal: "rollback" }')).toEqual({ out: "delete 3", err: "" });
    expect(kept(root.at("moved.db"))).toBe("rollback");
  },
);

linux("where nothing can be locked, a database is refused in words", () => {
  using root = temporaryRoot();
  expect(openWhere("lock", root.at("a.db")).out).toMatch(/^STORE_UNUSABLE .*cannot be opened/);
  const { out } = openWhere("lock-service", root.at("b.db"), "{ limit: 1500 }");
  expect(out).toMatch(
    /^waiting for the database: .*; gives up after 2 s\nSTORE_BUSY .* still busy after \d\.0 s: .* coffer doctor tries whether locks work/,
  );
  expect(out).not.toContain("SQLITE");
});

test("with a rollback journal two processes write in turn, and none fails", async () => {
  using root = temporaryRoot();
  const path = root.at("coffer.db");
  closeDatabase(openDatabase(path, { make: true, say, journal: "rollback" }));
  const program = `
    import { openDatabase, writing, reading, closeDatabase } from ${JSON.stringify(`${import.meta.dir}/../../../src/db/open/open.ts`)};
    const say = () => undefined;
    const db = openDatabase(process.argv[1], { make: false, say });
    for (let i = 0; i < 30; i++) {
      writing(db, say, () => db.run("INSERT INTO store (key, value) VALUES (?, 'x')", [process.pid + " " + i]));
      reading(db, () => db.query("SELECT count(*) FROM store").get());
    }
    closeDatabase(db);`;
  const children = Array.from({ length: 3 }, () =>
    Bun.spawn([process.execPath, "-e", program, path], { stdio: ["ignore", "ignore", "pipe"] }),
  );
  expect(await Promise.all(children.map(async (child) => [await child.stderr.text(), await child.exited]))).toEqual(
    children.map(() => ["", 0]),
  );
  const db = openDatabase(path, { make: false, say });
  expect(db.query("SELECT count(*) AS n FROM store").get()).toEqual({ n: 90 });
  closeDatabase(db);
});

test("a log whose index finds no room on its disk is not given up for that", () => {
  expect(["SHMMAP", "SHMOPEN", "SHMLOCK", "SHMSIZE"].filter((what) => lacksSharedMemory({ code: `SQLITE_IOERR_${what}` }))).not.toContain(
    "SHMSIZE",
  );
  expect(lacksSharedMemory({ code: "SQLITE_IOERR_SHMMAP" })).toBe(true);
});
