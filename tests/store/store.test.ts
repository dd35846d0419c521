import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { loadSettings } from "../../src/config/settings.ts";
import * as journal from "../../src/db/records/journal.ts";
import { REPLACE_DATABASE } from "../../src/domain/damaged-database.ts";
import { openStore } from "../../src/store/store.ts";
import type { Access, Store } from "../../src/store/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

async function open(
  root: string,
  options: { make?: boolean; access?: Access; set?: Record<string, unknown>; say?: (words: string) => void } = {},
): Promise<Store> {
  const settings = await loadSettings({ flags: { root, set: options.set ?? {} }, env: {}, cwd: "/" });
  return openStore(settings, {
    make: options.make ?? true,
    ...(options.access && { access: options.access }),
    now: () => 5,
    say: options.say ?? (() => undefined),
  });
}

test("a new store has an id and nothing else, and keeps its id", async () => {
  using root = temporaryRoot();
  const id = async () => {
    using store = await open(root.at("deep/down"));
    return store.db.query("SELECT key, value FROM store ORDER BY key").values();
  };
  const first = await id();
  expect(first).toEqual([
    ["created_at", "5"],
    ["id", expect.stringMatching(/^[0-9a-f-]{36}$/)],
  ]);
  expect(await id()).toEqual(first);
  expect(readdirSync(root.at("deep/down")).sort()).toEqual(["coffer.db", "coffer.reserve"]);
});

test("what a kill cut short of the reserve is taken anew by the next command that makes room", async () => {
  using root = temporaryRoot();
  (await open(root.at("store")))[Symbol.dispose]();
  const file = root.at("store/coffer.reserve/8");
  const { size } = statSync(file);
  writeFileSync(file, "cut short");
  (await open(root.at("store"), { access: "make-room" }))[Symbol.dispose]();
  expect(statSync(file).size).toBe(size);
});

test("a root that is a file is refused, and stays that file", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("file"), "mine");
  for (const make of [true, false]) await expect(open(root.at("file"), { make })).rejects.toMatchObject({ code: "STORE_UNUSABLE" });
  await expect(open(root.at("file/below"))).rejects.toMatchObject({ code: "STORE_UNUSABLE" });
  expect(readFileSync(root.at("file"), "utf8")).toBe("mine");
});

test("where there is no store and none may be made, nothing is made", async () => {
  using root = temporaryRoot();
  await expect(open(root.at("none"), { make: false })).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(existsSync(root.at("none"))).toBe(false);
});

test.each(["tmp", "cache", "binaries", "manifests"])("a directory with a %s of its own does not become a store", async (name) => {
  using root = temporaryRoot();
  mkdirSync(root.at(name));
  writeFileSync(root.at(name, "important"), "mine");
  const isLost = name === "binaries" || name === "manifests";
  await expect(open(root.path)).rejects.toMatchObject({
    code: isLost ? "STORE_DAMAGED" : "PROTECTED",
    exit: 5,
    hint: expect.stringContaining(isLost ? REPLACE_DATABASE : "name an empty directory, such as ./artifacts"),
  });
  await expect(open(root.path, { make: false })).rejects.toMatchObject({ code: isLost ? "STORE_DAMAGED" : "NOT_FOUND" });
  expect(readdirSync(root.path, { recursive: true }).toSorted()).toEqual([name, `${name}/important`]);
});

test("a store whose database is gone, or empty, is not made anew in silence, and lives on when that is put back", async () => {
  using root = temporaryRoot();
  (await open(root.at("s")))[Symbol.dispose]();
  mkdirSync(root.at("s/binaries"));
  renameSync(root.at("s/coffer.db"), root.at("backup.db"));
  for (const make of [true, false]) await expect(open(root.at("s"), { make })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  writeFileSync(root.at("s/coffer.db"), "");
  await expect(open(root.at("s"))).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  renameSync(root.at("backup.db"), root.at("s/coffer.db"));
  using store = await open(root.at("s"));
  expect(store.db.query("SELECT count(*) AS n FROM store").get()).toEqual({ n: 2 });
});

test("workspaces, MLflow's tree and files of others may be there before the store", async () => {
  using root = temporaryRoot();
  for (const name of ["work/runs", "mlruns/0", "src"]) mkdirSync(root.at(name), { recursive: true });
  writeFileSync(root.at("coffer.yaml"), "");
  using store = await open(root.path);
  expect(existsSync(store.path("coffer.db"))).toBe(true);
});

test("paths inside the root are kept relative to it, others as they are", async () => {
  using root = temporaryRoot();
  using store = await open(root.at("s"));
  for (const [absolute, kept] of [
    [root.at("s/binaries/x"), "binaries/x"],
    [root.at("s/..x"), "..x"],
    [root.at("elsewhere"), root.at("elsewhere")],
    [root.at("s"), root.at("s")],
  ] as const) {
    expect(store.keep(absolute)).toBe(kept);
    expect(store.path(kept)).toBe(absolute);
  }
});

test("what a transaction journals is in the file once it has committed, and never when it failed", async () => {
  using root = temporaryRoot();
  using store = await open(root.at("s"));
  const lines = () =>
    existsSync(root.at("s/manifests/journal.jsonl"))
      ? readFileSync(root.at("s/manifests/journal.jsonl"), "utf8")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line) as object)
      : [];
  expect(() =>
    store.transaction(() => {
      journal.append(store.db, { at: 1, did: "pin", artifact: "no" });
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(lines()).toEqual([]);
  store.transaction(() => store.transaction(() => journal.append(store.db, { at: 2, did: "pin", artifact: "a\nb" })));
  store.transaction(() => journal.append(store.db, { at: 3, did: "unpin", artifact: "a\nb" }));
  expect(lines()).toEqual([
    { seq: expect.any(Number), at: 2, did: "pin", artifact: "a\nb" },
    { seq: expect.any(Number), at: 3, did: "unpin", artifact: "a\nb" },
  ]);
  expect(journal.isPending(store.db)).toBe(false);
});

test("lines that could not reach the journal's file wait for the next command, and the commit stands", async () => {
  using root = temporaryRoot();
  const said: string[] = [];
  {
    using store = await open(root.at("s"), { say: (words) => said.push(words) });
    writeFileSync(root.at("s/manifests"), "in the way");
    store.transaction(() => journal.append(store.db, { at: 1, did: "pin", artifact: "a" }));
    expect([said.length, journal.isPending(store.db)]).toEqual([1, true]);
  }
  rmSync(root.at("s/manifests"));
  using again = await open(root.at("s"));
  expect([journal.isPending(again.db), readFileSync(root.at("s/manifests/journal.jsonl"), "utf8")]).toEqual([
    false,
    '{"seq":1,"at":1,"did":"pin","artifact":"a"}\n',
  ]);
});

test("a store of a type that cannot be used is refused loudly, and nothing is made", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "artifact_store: {type: s3, root_path: ./s}\n");
  const settings = await loadSettings({ flags: {}, env: {}, cwd: root.path });
  expect(() => openStore(settings, { make: true, now: Date.now, say: () => undefined })).toThrow(
    expect.objectContaining({ code: "STORE_TYPE_UNUSABLE" }),
  );
  expect(existsSync(root.at("s"))).toBe(false);
});
