import { afterAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { checkDatabase } from "../../src/gc/check-database.ts";
import { rebuild } from "../../src/manifest/rebuild/rebuild.ts";
import { setLimit } from "../../src/store/cache/limits.ts";
import { openStore } from "../../src/store/store.ts";
import type { Store } from "../../src/store/store.ts";
import { place } from "../cli/run-place.ts";
import { coffer } from "../support/coffer.ts";
import { stableDump } from "../manifest/stable-dump.ts";
import { look } from "./look.ts";
import { makeTemplate } from "./subject.ts";
import type { Subject } from "./subject.ts";

/* Damage to the database: what of it verify finds, what gc refuses, and that a rebuild makes of manifests, journal, names and packs what was there before. */

const template = await makeTemplate();
afterAll(() => template[Symbol.dispose]());
const PAGE = 4096;
const BESIDE = ["-wal", "-shm"];

interface Closed extends Subject {
  /** The database: one file, that nobody has open. */
  file: string;
  whole: Buffer;
  dump: Record<string, string[]>;
  put(bytes: Uint8Array): void;
}

async function closed(): Promise<Closed> {
  const subject = await template.copy();
  const file = subject.store.path("coffer.db");
  setLimit(subject.store, "max_entries", 7);
  subject.store.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  subject.store.db.close(false);
  const dump = stableDump(file);
  const put = (bytes: Uint8Array): void => {
    for (const suffix of BESIDE) rmSync(file + suffix, { force: true });
    writeFileSync(file, bytes);
  };
  put(readFileSync(file));
  return Object.assign(subject, { file, whole: readFileSync(file), dump, put });
}

/** What `coffer verify` finds, undefined where nothing; and whether gc would refuse by the database alone. */
async function ask({ store: { settings } }: Subject): Promise<{ found: string | undefined; isRefused: boolean }> {
  let store: Store | undefined;
  try {
    store = openStore(settings, { make: false, now: Date.now, say: () => undefined });
    const { damage } = await look(store);
    const found = damage.find(({ what }) => what === "database" || what === "manifest")?.detail ?? damage[0]?.detail;
    try {
      checkDatabase(store, { thoroughly: true });
      return { found, isRefused: false };
    } catch {
      return { found, isRefused: true };
    }
  } catch (error) {
    return { found: String(error), isRefused: true };
  } finally {
    try {
      store?.db.close(false);
    } catch {
      // it never was whole
    }
  }
}

const makeAnew = ({ store: { settings } }: Subject, force = false): ReturnType<typeof rebuild> =>
  rebuild(settings, { force, dryRun: false, now: Date.now, check: () => undefined });

/** What verify cannot know: when files were hashed last, which costs another look, and the dataset that bytes are counted to. */
function known(dump: Record<string, string[]>): unknown {
  const cut = (rows: string[] | undefined, columns: number[]): unknown[] =>
    (rows ?? []).map((row) => (JSON.parse(row) as unknown[]).filter((_, nth) => !columns.includes(nth)));
  return { ...dump, blobs: cut(dump["blobs"], [4, 9, 10, 11]), packs: cut(dump["packs"], [2, 4, 5, 6]) };
}

test("whichever bit of it is flipped: verify finds it, or no row says anything else", async () => {
  using subject = await closed();
  const { whole, put, dump, file } = subject;
  const seed = Number(process.env["COFFER_TEST_SEED"] ?? 20_261_121);
  let state = seed;
  const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below;
  const missed: string[] = [];
  let count = 0;
  for (let nth = 0; nth < 500; nth++) {
    let at = random(whole.length);
    // most of it is empty
    while (whole[at] === 0) at = random(whole.length);
    const bit = random(8);
    const hurt = Buffer.from(whole);
    hurt[at] = (hurt[at] as number) ^ (1 << bit);
    put(hurt);
    const { found } = await ask(subject);
    if (found !== undefined) count++;
    else {
      put(hurt);
      const now = stableDump(file);
      if (!Bun.deepEquals(known(now), known(dump))) missed.push(`bit ${bit} at ${at} (seed ${seed})`);
    }
  }
  expect(missed).toEqual([]);
  expect(count).toBeGreaterThan(200);
}, 120_000);

test("a page of zeros is found, gc refuses, and a rebuild makes the same database", async () => {
  using subject = await closed();
  const { whole, put, dump, file } = subject;
  for (let page = 1; page <= whole.length / PAGE; page++) {
    const hurt = Buffer.from(whole);
    hurt.fill(0, (page - 1) * PAGE, page * PAGE);
    put(hurt);
    expect([page, await ask(subject)]).toMatchObject([page, { found: expect.any(String), isRefused: true }]);
    if (page % 4 !== 1) continue;
    put(hurt);
    expect(await makeAnew(subject)).toMatchObject({ because: "damaged", damage: [], notes: [], unread: [] });
    expect([page, stableDump(file)]).toEqual([page, dump]);
  }
}, 120_000);

const FILES: Record<string, (file: string) => void> = {
  "a deleted database": (file) => rmSync(file),
  "an emptied database": (file) => truncateSync(file, 0),
  "half a page": (file) => truncateSync(file, 1000),
  "one page": (file) => truncateSync(file, PAGE),
  "half a database": (file) => truncateSync(file, Math.floor(statSync(file).size / 2 / PAGE) * PAGE),
  "a database without its last page": (file) => truncateSync(file, statSync(file).size - PAGE),
  "a text in its place": (file) => writeFileSync(file, "this was a database\n".repeat(1000)),
};

for (const [what, hurt] of Object.entries(FILES))
  test(`${what} is found, and a rebuild makes the same database`, async () => {
    using subject = await closed();
    hurt(subject.file);
    expect(await ask(subject)).toMatchObject({ found: expect.any(String), isRefused: true });
    expect(await makeAnew(subject)).toMatchObject({ damage: [], notes: [], unread: [] });
    expect(stableDump(subject.file)).toEqual(subject.dump);
    expect(await ask(subject)).toEqual({ found: undefined, isRefused: false });
  });

test("a log of garbage beside a whole database is no part of it", async () => {
  using subject = await closed();
  writeFileSync(`${subject.file}-wal`, Buffer.alloc(50_000, 0xab));
  expect(await ask(subject)).toEqual({ found: undefined, isRefused: false });
  expect(stableDump(subject.file)).toEqual(subject.dump);
});

test("the log of an earlier time beside a newer database is no part of it, or is found", async () => {
  using subject = await closed();
  const { file, store, dump } = subject;
  {
    using older = openStore(store.settings, { make: false, now: Date.now, say: () => undefined });
    older.db.run("PRAGMA wal_autocheckpoint = 0");
    older.transaction(() => older.db.run("UPDATE runs SET name = 'of the log'"));
    copyFileSync(`${file}-wal`, `${file}.kept`);
  }
  subject.put(subject.whole);
  copyFileSync(`${file}.kept`, `${file}-wal`);
  const { found } = await ask(subject);
  const same = Bun.deepEquals(stableDump(file), dump);
  expect([found !== undefined, same]).toEqual([!same, same]);
  expect(found).toContain("of the log");
  await makeAnew(subject);
  expect(stableDump(file)).toEqual(dump);
});

test("commits that went with a log are missed: verify says which run is not known, gc stops, and a rebuild knows it again", async () => {
  using subject = await closed();
  const { file, root, store } = subject;
  writeFileSync(root.at("new"), "new bytes");
  const options = { root: store.root, cwd: root.path };
  // somebody reads all the while: the log is not moved into the database
  using holder = new Database(file);
  holder.run("BEGIN");
  holder.query("SELECT count(*) FROM runs").get();
  expect((await coffer(["log", "new", "--name", "new"], options)).code).toBe(0);
  const dump = stableDump(file);
  copyFileSync(file, `${file}.kept`);
  holder.close();
  for (const suffix of ["", ...BESIDE]) rmSync(file + suffix, { force: true });
  copyFileSync(`${file}.kept`, file);
  rmSync(`${file}.kept`);
  const verified = await coffer(["verify", "--json"], options);
  expect([verified.code, verified.json<{ damage: { what: string; detail: string }[] }>().damage[0]]).toMatchObject([
    1,
    { what: "manifest", detail: expect.stringContaining("run that the database does not know") },
  ]);
  expect((await coffer(["gc", "--apply", "--grace", "0"], options)).code).toBe(5);
  expect((await coffer(["rebuild", "--force"], options)).code).toBe(0);
  expect(stableDump(file)["artifacts"]).toEqual(dump["artifacts"]);
  expect(await coffer(["verify"], options)).toMatchObject({ code: 0 });
}, 30_000);

/** Values that are wrong in pages that are well formed: no look at the database alone tells. */
const VALUES: Record<string, string> = {
  "when an artifact was made": "UPDATE artifacts SET created_at = created_at - 100000000000 WHERE name = 'model'",
  "an artifact's size": "UPDATE artifacts SET size = size + 1 WHERE name = 'many'",
  "an artifact's digest": "UPDATE artifacts SET digest = replace(digest, 'a', 'b') WHERE name = 'model'",
  "an artifact's state": "UPDATE artifacts SET state = 'removed' WHERE name = 'few'",
  "an artifact's run": "UPDATE artifacts SET run = (SELECT run FROM artifacts WHERE name = 'few') WHERE name = 'model'",
  "a run's end": "UPDATE runs SET ended_at = ended_at + 1",
  "a run's state": "UPDATE runs SET state = 'failed' WHERE seq = 1",
  "a metric": "UPDATE metric_points SET value = 0.75 WHERE run = 2",
  "a parameter": "UPDATE params SET value = '0.2' WHERE run = 3",
  "a tag": "UPDATE tags SET value = 'red' WHERE run = 1",
  "an edge": "UPDATE edges SET role = 'other'",
  "an edge that is gone": "DELETE FROM edges",
  "an alias": "UPDATE aliases SET alias = 'rest'",
  "a pin": "DELETE FROM pins",
  "a run that is gone": "UPDATE runs SET id = 'x' || substr(id, 2) WHERE seq = 1",
  "the last number of a name": "UPDATE series SET last_version = 0 WHERE key = 'name model'",
  "the store's id": "UPDATE store SET value = '0' || value WHERE key = 'id'",
  "a column": "ALTER TABLE pins RENAME COLUMN note TO vote",
  "an index": "DROP INDEX aliases_by_artifact",
  "a row that is named": "PRAGMA foreign_keys = OFF; DELETE FROM packs",
};

for (const [what, sql] of Object.entries(VALUES))
  test(`another value for ${what} is found, and a rebuild has the right one`, async () => {
    using subject = await closed();
    {
      using db = new Database(subject.file);
      for (const one of sql.split("; ")) db.run(one);
    }
    const { found } = await ask(subject);
    expect(found).toBeString();
    // where the manifests tell more than the rows, an older database may have been put back on purpose
    const isMore = found?.includes("does not know") ?? false;
    if (isMore) await expect(makeAnew(subject)).rejects.toMatchObject({ code: "PROTECTED" });
    const rebuilt = await makeAnew(subject, isMore);
    expect([rebuilt.notes, rebuilt.unread, rebuilt.damage]).toEqual([[], [], []]);
    const dump = stableDump(subject.file);
    for (const table of Object.keys(subject.dump)) expect([table, dump[table]]).toEqual([table, subject.dump[table]]);
  });

test("gc deletes nothing by a value that the manifest of its run contradicts", async () => {
  using subject = await closed();
  const { store, root } = subject;
  const options = { root: store.root, cwd: root.path };
  const files = (): string[] => readdirSync(store.path("binaries/default")).sort();
  writeFileSync(root.at("model"), "a newer one");
  expect((await coffer(["log", "model", "--name", "model"], options)).code).toBe(0);
  {
    using db = new Database(subject.file);
    db.run("UPDATE artifacts SET created_at = created_at - 100000000000 WHERE name = 'model' AND version = 1");
    db.run("DELETE FROM aliases");
    db.run("DELETE FROM edges");
    db.run("DELETE FROM meta_sources");
  }
  const before = files();
  const refused = await coffer(["gc", "--max-age", "90", "--apply", "--grace", "0"], options);
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("created_at")]);
  expect(files()).toEqual(before);
}, 30_000);

test("gc looks at the manifests of all that goes, and not only of what it shows", async () => {
  using here = place();
  for (let nth = 1; nth <= 23; nth++)
    expect((await here.coffer(["log", here.write("many", `version ${nth}`), "--name", "many"])).code).toBe(0);
  {
    using db = new Database(here.at("artifacts/coffer.db"));
    db.run("UPDATE artifacts SET created_at = created_at - 100000000000 WHERE name = 'many' AND version = 22");
  }
  const refused = await here.coffer(["gc", "--max-versions", "1", "--apply", "--grace", "0"]);
  expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("created_at")]);
  expect(here.binaries()).toHaveLength(23);
}, 60_000);
