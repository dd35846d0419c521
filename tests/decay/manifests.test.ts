import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { rebuild } from "../../src/manifest/rebuild/rebuild.ts";
import { writeDueManifests } from "../../src/manifest/check/write-due-manifests.ts";
import { retag } from "../../src/registry/marks.ts";
import { stableDump } from "../manifest/stable-dump.ts";
import { bytesOf, look, mendAll, rowsOf } from "./look.ts";
import { makeTemplate } from "./subject.ts";
import type { Subject } from "./subject.ts";

/* Manifests and the journal: what is wrong with them is found, and they are written anew from the rows, so that a rebuild makes the same database of them. */

const template = await makeTemplate();
afterAll(() => template[Symbol.dispose]());

const manifestOf = ({ store, artifacts: { model } }: Subject): string => {
  const [[id]] = store.db.query("SELECT id FROM runs WHERE seq = ?").values(model.run) as [[string]];
  return store.path("manifests", `${id}.yaml`);
};
const journalOf = ({ store }: Subject): string => store.path("manifests/journal.jsonl");
const change = (path: string, by: (text: string) => string): void => writeFileSync(path, by(readFileSync(path, "utf8")));

const DAMAGES: Record<string, { path: (subject: Subject) => string; hurt: (path: string) => void }> = {
  "a deleted manifest": { path: manifestOf, hurt: (path) => rmSync(path) },
  "an emptied manifest": { path: manifestOf, hurt: (path) => truncateSync(path, 0) },
  "half a manifest": { path: manifestOf, hurt: (path) => truncateSync(path, Math.floor(readFileSync(path).length / 2)) },
  "a manifest without its last line": { path: manifestOf, hurt: (path) => change(path, (text) => text.replace("  complete: true\n", "")) },
  "a manifest with another name in it": { path: manifestOf, hurt: (path) => change(path, (text) => text.replaceAll('"model"', '"nodel"')) },
  "a manifest with another digit": { path: manifestOf, hurt: (path) => change(path, (text) => text.replace(/(size: )4000/, "$14001")) },
  "a manifest that is no text": { path: manifestOf, hurt: (path) => writeFileSync(path, Buffer.alloc(3000, 0xff)) },
  "a manifest with a wrong digest of itself": {
    path: manifestOf,
    hurt: (path) => change(path, (text) => text.replace(/(sum: "sha256:)../, "$1zz")),
  },
  "a directory in a manifest's place": { path: manifestOf, hurt: (path) => (rmSync(path), mkdirSync(path)) },
  "a line of the journal that is no line": {
    path: journalOf,
    hurt: (path) => change(path, (text) => text.replace('"did":"alias"', '"did":"al\u0000as"')),
  },
  "a line of the journal that is gone": { path: journalOf, hurt: (path) => change(path, (text) => text.slice(text.indexOf("\n") + 1)) },
  "the last line of the journal gone": {
    path: journalOf,
    hurt: (path) => change(path, (text) => text.slice(0, text.lastIndexOf("\n", text.length - 2) + 1)),
  },
  "a deleted journal": { path: journalOf, hurt: (path) => rmSync(path) },
  "a directory in the journal's place": { path: journalOf, hurt: (path) => (rmSync(path), mkdirSync(path)) },
  "a FIFO in the journal's place": { path: journalOf, hurt: (path) => (rmSync(path), Bun.spawnSync(["mkfifo", path])) },
  "a journal that begins with zeros": { path: journalOf, hurt: (path) => change(path, (text) => "\0".repeat(20) + text.slice(20)) },
};

for (const [what, { path, hurt }] of Object.entries(DAMAGES))
  test(`${what} is found, set aside and written anew; a rebuild from it makes the same database`, async () => {
    using subject = await template.copy();
    const { store } = subject;
    retag(store, { kind: "artifact", artifact: subject.artifacts.model }, [["later", "yes"]], []);
    writeDueManifests(store);
    const [rows, dump] = [rowsOf(store), stableDump(store.path("coffer.db"))];
    const where = path(subject);
    const wasThere = !what.startsWith("a deleted");
    hurt(where);
    const found = await look(store);
    expect(found.damage.map((one) => [one.what, one.path])).toEqual([["manifest", where]]);
    const done = await mendAll(store, found, []);
    expect([done.damage, done.failed, done.repaired.map((one) => one.path)]).toEqual([[], [], [where]]);
    expect([done.aside.length, existsSync(done.aside[0] ?? "")]).toEqual([wasThere ? 1 : 0, wasThere]);
    expect((await look(store)).damage).toEqual([]);
    expect(rowsOf(store)).toEqual(rows);
    for (const suffix of ["", "-wal", "-shm"]) rmSync(store.path(`coffer.db${suffix}`), { force: true });
    const rebuilt = await rebuild(store.settings, { force: false, dryRun: false, now: store.now, check: () => undefined });
    expect([rebuilt.unread, rebuilt.notes, rebuilt.left]).toEqual([[], [], []]);
    expect(stableDump(store.path("coffer.db"))).toEqual(dump);
  });

test("all manifests and the journal lost at once are written anew from the rows", async () => {
  using subject = await template.copy();
  const { store } = subject;
  const dump = stableDump(store.path("coffer.db"));
  rmSync(store.path("manifests"), { recursive: true });
  const found = await look(store);
  expect(found.damage.map(({ what }) => what)).toEqual(["manifest", "manifest", "manifest", "manifest"]);
  expect((await mendAll(store, found, [])).damage).toEqual([]);
  expect((await look(store)).damage).toEqual([]);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(store.path(`coffer.db${suffix}`), { force: true });
  await rebuild(store.settings, { force: false, dryRun: false, now: store.now, check: () => undefined });
  expect(stableDump(store.path("coffer.db"))).toEqual(dump);
});

test("names of files that were changed: their bytes are found whatever they are called, and have their names again", async () => {
  using subject = await template.copy();
  const { store, place } = subject;
  const [rows, bytes] = [rowsOf(store), await bytesOf(store)];
  const model = place("model").path;
  const pack = place("many list").path;
  for (const path of [model, pack]) {
    Bun.spawnSync(["mv", path, `${path}.renamed`]);
    chmodSync(`${path}.renamed`, 0o444);
  }
  rmSync(store.path("cache"), { recursive: true });
  rmSync(store.settings.roots.workspace, { recursive: true });
  const found = await look(store);
  expect(found.damage).toHaveLength(42);
  const done = await mendAll(store, found, []);
  expect(done.damage).toEqual([]);
  expect(rowsOf(store)).toEqual(rows);
  expect(await bytesOf(store)).toEqual(bytes);
  expect(place("model").path).toBe(model);
});

test("a manifest that the rows contradict is not overwritten by them", async () => {
  using subject = await template.copy();
  const { store } = subject;
  const path = manifestOf(subject);
  const before = readFileSync(path, "utf8");
  store.db.query("UPDATE artifacts SET size = 4001 WHERE seq = ?").run(subject.artifacts.model.seq);
  store.db.query("UPDATE runs SET manifest = 'due' WHERE seq = ?").run(subject.artifacts.model.run);
  writeDueManifests(store);
  expect(readFileSync(path, "utf8")).toBe(before);
  expect(readdirSync(store.path("manifests")).length).toBe(4);
  const found = await look(store);
  expect(found.damage.map(({ what }) => what)).toEqual(["database"]);
});
