import { expect, test } from "bun:test";
import { appendFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import * as events from "../../../src/db/records/events.ts";
import * as journal from "../../../src/db/records/journal.ts";
import { recordLater } from "../../../src/db/records/later-events.ts";
import { checkManifests } from "../../../src/manifest/check/check-manifests.ts";
import { repairManifests } from "../../../src/manifest/check/repair-manifests.ts";
import { readJournal } from "../../../src/manifest/read/read-journal.ts";
import { rebuild } from "../../../src/manifest/rebuild/rebuild.ts";
import { replayJournal } from "../../../src/manifest/rebuild/replay-journal.ts";
import { pin, setAlias } from "../../../src/registry/marks.ts";
import { openStore } from "../../../src/store/store.ts";
import type { Store } from "../../../src/store/store.ts";
import { openTestStore } from "../../support/store.ts";

const ALL = { share: 1, random: Math.random, stop: () => false };
const numbers = (path: string): number[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { seq: number }).seq);

/** A line that the file has, and the database no longer knows. */
function forget({ db }: Store, last: number): void {
  db.query("UPDATE sqlite_sequence SET seq = ? WHERE name = 'journal'").run(last);
}

test("no number is given twice: where the file has lines that the database does not know, lines go on behind them", async () => {
  using t = await openTestStore();
  const { store } = t;
  const path = store.path("manifests/journal.jsonl");
  const artifact = await t.add({ name: "model" });
  for (const note of ["one", "two", "three"]) pin(store, artifact, note);
  forget(store, 1);
  expect(journal.unknown(store.db)).toBeUndefined();
  store.transaction(() => {
    for (const alias of ["best", "last"]) setAlias(store, artifact, alias);
  });
  expect([numbers(path), journal.lastSeq(store.db), journal.unknown(store.db)]).toEqual([[1, 2, 3, 4, 5], 5, { first: 2, last: 3 }]);
  pin(store, artifact, "six");
  expect([numbers(path), journal.knownThrough(store.db)]).toEqual([[1, 2, 3, 4, 5, 6], 1]);
  // once more, with a long line at the end
  pin(store, artifact, "x".repeat(100_000));
  forget(store, 6);
  pin(store, artifact, "eight");
  expect([numbers(path).at(-1), journal.unknown(store.db)]).toEqual([8, { first: 2, last: 7 }]);
});

test("lines that a crash left in the file and in the table are the same ones; so is half of one", async () => {
  using t = await openTestStore();
  const { store } = t;
  const path = store.path("manifests/journal.jsonl");
  const artifact = await t.add({ name: "model" });
  pin(store, artifact, "one");
  const [line = ""] = readFileSync(path, "utf8").split("\n");
  // as it was before the table was emptied
  const again = JSON.stringify({ at: 7, did: "unpin", artifact: artifact.uid });
  store.db.query("INSERT INTO journal (line) VALUES (?)").run(again);
  appendFileSync(path, `{"seq":2,${again.slice(1)}\n{"seq":2,"at"`);
  pin(store, artifact, "three");
  expect(readFileSync(path, "utf8").split("\n").slice(0, 3)).toEqual([line, `{"seq":2,${again.slice(1)}`, '{"seq":2,"at"']);
  expect(
    readFileSync(path, "utf8")
      .match(/"seq":\d+/g)
      ?.join(),
  ).toBe('"seq":1,"seq":2,"seq":2,"seq":2,"seq":3');
  expect(journal.unknown(store.db)).toBeUndefined();
  expect(await checkManifests(store, ALL)).toEqual([]);
});

test("a journal that tells of more is not written anew from rows that lack it, whatever else is wrong with it", async () => {
  using t = await openTestStore();
  const { store } = t;
  const path = store.path("manifests/journal.jsonl");
  const artifact = await t.add({ name: "model" });
  for (const note of ["one", "two", "three"]) pin(store, artifact, note);
  appendFileSync(path, '{"seq":9,"at":1,"did":"what nobody understands"}\n');
  expect((await readJournal(path)).last).toBe(9);
  forget(store, 1);
  const before = readFileSync(path, "utf8");
  const found = await checkManifests(store, ALL);
  expect(found.map(({ detail }) => detail)).toEqual([
    expect.stringContaining("lines 4 to 8 of journal.jsonl are not there; and 1 more"),
    "it tells of changes that the database does not know (lines 2 to 9): coffer rebuild --force reads it",
  ]);
  expect(repairManifests(store, found, { repaired: [], aside: [], failed: [] })).toEqual(found);
  expect(readFileSync(path, "utf8")).toBe(before);
});

test("what is told twice befell once", async () => {
  using t = await openTestStore();
  const { store } = t;
  const run = t.run();
  store.transaction(() => recordLater(store.db, { run: run.seq, at: 7, kind: "kept", message: "a word" }));
  const path = store.path("manifests/journal.jsonl");
  writeFileSync(path, readFileSync(path, "utf8").repeat(2));
  expect(await replayJournal(store.db, path, new Map(), new Map())).toEqual([]);
  expect(events.ofRun(store.db, run.seq)).toEqual([{ at: 7, kind: "kept", message: "a word" }]);
});

test("a rebuild by force sets no database aside whose lines cannot be written down first, and says why", async () => {
  using t = await openTestStore();
  const { store } = t;
  const path = store.path("manifests/journal.jsonl");
  const artifact = await t.add({ name: "model" });
  mkdirSync(path, { recursive: true });
  pin(store, artifact, "one");
  const options = { force: true, dryRun: false, now: store.now, check: () => undefined };
  await expect(rebuild(store.settings, options)).rejects.toMatchObject({
    code: "STORE_UNUSABLE",
    message: expect.stringContaining("not a regular file"),
  });
});

const IN_PLACE: Record<string, (path: string, victim: string) => void> = {
  "a link": (path, victim) => symlinkSync(victim, path),
  "a link to nothing": (path, victim) => symlinkSync(`${victim}.new`, path),
  "another file's second name": (path, victim) => linkSync(victim, path),
  "a directory": (path) => mkdirSync(path),
  "a FIFO": (path) => void Bun.spawnSync(["mkfifo", path]),
};

for (const [what, put] of Object.entries(IN_PLACE))
  test(`${what} in the journal's place gets no line; verify says so, and a repair writes the journal anew`, async () => {
    using t = await openTestStore();
    const said: string[] = [];
    using store = openStore(t.store.settings, { make: false, now: t.store.now, say: (words) => said.push(words) });
    const path = store.path("manifests/journal.jsonl");
    const victim = store.path("../victim");
    const artifact = await t.add({ name: "model" });
    pin(store, artifact, "one");
    rmSync(path);
    writeFileSync(victim, "its own\n");
    put(path, victim);
    setAlias(store, artifact, "best");
    expect(said).toEqual([expect.stringMatching(/journal\.jsonl: it is .*coffer verify --repair sets it aside/)]);
    expect(journal.isPending(store.db)).toBe(true);
    const [found, ...others] = await checkManifests(store, ALL);
    expect([found, others]).toMatchObject([{ path, what: "manifest", fromRows: "journal" }, []]);
    const done = { repaired: [], aside: [], failed: [] };
    expect(repairManifests(store, found ? [found] : [], done)).toEqual([]);
    expect(done).toMatchObject({ repaired: [{ path }], aside: [expect.stringContaining("damaged/")], failed: [] });
    expect([readFileSync(path, "utf8"), journal.isPending(store.db)]).toEqual([expect.stringMatching(/"anew"[^]*"alias"[^]*"pin"/), false]);
    expect([readFileSync(victim, "utf8"), existsSync(`${victim}.new`)]).toEqual(["its own\n", false]);
    expect(await checkManifests(store, ALL)).toEqual([]);
  });
