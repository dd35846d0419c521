import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, mkdirSync, openSync, closeSync, readdirSync, statSync, writeFileSync, writeSync } from "node:fs";
import type { PlanDocument, spelledOut } from "../../src/cli/gc/document.ts";
import type { Swept } from "../../src/gc/apply/swept.ts";
import { appears } from "../support/appears.ts";
import { binary, coffer, spawnCoffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

type Applied = ReturnType<typeof spelledOut<PlanDocument>> & { applied: Swept | null };

function logVersions(root: TemporaryRoot, name: string, count: number): Promise<unknown> {
  return Array.from({ length: count }, (_, index) => index + 1).reduce(async (before: Promise<unknown>, version) => {
    await before;
    writeFileSync(root.at("file"), `${name} ${version}`);
    expect(await coffer(["log", root.at("file"), "--name", name], { root: root.at("store") })).toMatchObject({ code: 0 });
  }, Promise.resolve());
}

function storedFiles(root: TemporaryRoot): string[] {
  const directory = root.at("store/binaries");
  return existsSync(directory)
    ? readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
    : [];
}

test("without --apply gc shows the plan and deletes nothing", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 3);
  const shown = await coffer(["gc", "--max-versions", "1"], { root: root.at("store") });
  expect(shown).toMatchObject({ code: 0 });
  expect(shown.stdout).toBe(
    [
      "RULE      WHAT      FREES  AFTER REPACKING  WHY",
      "versions  model@v1    7 B  -                2 newer versions (1 is kept)",
      "versions  model@v2    7 B  -                1 newer version (1 is kept)",
      "",
      "2 to delete: 14 B at once",
      "",
    ].join("\n"),
  );
  expect(shown.stderr).toContain("run it again with --apply to do it");
  expect(storedFiles(root)).toHaveLength(3);
});

test("with --apply it deletes what it shows, and names each", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 3);
  const { schema, items, applied } = (
    await coffer(["gc", "--max-versions", "1", "--apply", "--json"], { root: root.at("store") })
  ).json<Applied>();
  expect(schema).toBe("coffer.gc/1");
  expect(items.map((item) => item.what)).toEqual(["model@v1", "model@v2"]);
  expect(applied?.deleted.filter((one) => one.kind === "artifact").map((one) => one.what)).toEqual(["model@v2", "model@v1"]);
  expect(applied).toMatchObject({ freed: 14, failed: [], stayed: [], interrupted: false });
  expect(storedFiles(root)).toHaveLength(1);
  expect(await coffer(["get", "model"], { root: root.at("store") })).toMatchObject({ code: 0 });
  expect(await coffer(["verify"], { root: root.at("store") })).toMatchObject({ code: 0 });
  expect(await coffer(["gc", "--apply"], { root: root.at("store") })).toMatchObject({
    code: 0,
    stdout: "nothing was deleted\n\n0 deleted, 0 B freed\n",
  });
});

test("what was deleted is counted as in the plan, and each has its reason", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 3);
  const { stdout } = await coffer(["gc", "--max-versions", "1", "--apply"], { root: root.at("store") });
  expect(stdout.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  ").replace(/binaries\S+ \(blake3:\S+\)/, "FILE"))).toEqual([
    "DELETED  WHAT  BYTES  WHY",
    "artifact  model@v2  -  1 newer version (1 is kept)",
    "artifact  model@v1  -  2 newer versions (1 is kept)",
    "blob  FILE  7 B  only what went named it",
    "blob  FILE  7 B  only what went named it",
    "",
    "2 deleted, 14 B freed; with that went 2 blobs",
    "",
  ]);
});

test("with nothing to delete it tells what waits for the grace, and which rules are off", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 2);
  await coffer(["rm", "model@v1"], { root: root.at("store") });
  const waits = expect.stringMatching(/^1 more waits until \d{4}-\d\d-\d\dT\d\d:\d\dZ \(grace 1 h 0 m; --grace 0 takes it now\)$/m);
  for (const words of [["gc"], ["gc", "--apply"]])
    expect(await coffer(words, { root: root.at("store") })).toMatchObject({
      stdout: waits,
      stderr: expect.stringMatching(/rules that are off: --workspaces .*, --max-versions N/),
    });
  expect((await coffer(["gc", "--grace", "0", "--apply"], { root: root.at("store") })).stdout).not.toContain("waits");
  const restored = await coffer(["restore", "model@v1"], { root: root.at("store") });
  expect(restored).toMatchObject({ code: 4, stderr: expect.stringContaining("gc has deleted model@v1") });
});

test("a failed run leaves no bytes after gc --failed-runs --grace 0 --apply, and an earlier run's record and shared blob stay", async () => {
  using root = temporaryRoot();
  const store = { root: root.at("store") };
  await coffer(["run", "--register", "model=o", "--", "sh", "-c", "echo shared > $COFFER_WORKSPACE/o"], store);
  const failing = await coffer(
    ["run", "--register", "model=o", "--", "sh", "-c", "cd $COFFER_WORKSPACE; echo shared > o; echo own > p; exit 3"],
    store,
  );
  expect(failing.code).toBe(3);
  const { applied } = (await coffer(["gc", "--failed-runs", "--grace", "0", "--apply", "--json"], store)).json<Applied>();
  expect(applied?.deleted.filter((one) => one.kind === "artifact")).toHaveLength(2);
  expect(storedFiles(root)).toHaveLength(1);
  const found = await coffer(["get", "model@v1"], store);
  expect(await Bun.file(found.stdout.trim()).text()).toBe("shared\n");
  expect(await coffer(["verify"], store)).toMatchObject({ code: 0 });
});

test("beside a live run gc takes nothing of it", async () => {
  using root = temporaryRoot();
  const script = `cd "$COFFER_WORKSPACE"; echo 1 > a; "$0" log a --name live; echo 2 > a; "$0" log a --as b --name live; "$0" get live@v1; touch "$READY"; while [ ! -e "$GO" ]; do sleep 0.02; done`;
  const env = { READY: root.at("ready"), GO: root.at("go") };
  const run = spawnCoffer(["run", "--", "sh", "-c", script, binary()], { root: root.at("store"), env });
  await appears(env.READY, run);
  const everything = ["--orphans", "--failed-runs", "--workspaces", "--max-versions", "1", "--max-age", "0", "--max-size", "0"];
  const { items, applied } = (
    await coffer(["gc", ...everything, "--grace", "0", "--apply", "--json"], { root: root.at("store") })
  ).json<Applied>();
  expect([items, applied?.deleted]).toEqual([[], []]);
  writeFileSync(env.GO, "");
  await Promise.all([run.stdout.text(), run.stderr.text(), run.exited]);
  expect(run.exitCode).toBe(0);
  for (const ref of ["live@v1", "live@v2"]) expect(await coffer(["get", ref], { root: root.at("store") })).toMatchObject({ code: 0 });
  expect(await coffer(["verify"], { root: root.at("store") })).toMatchObject({ code: 0 });
});

test("what the policy says is what gc does", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 3);
  writeFileSync(
    root.at("coffer.yaml"),
    "artifact_store:\n  root_path: ./store\n  cleanup_policy: {enabled: true, max_versions_per_artifact: 2}\n",
  );
  const { items } = (await coffer(["gc", "--json"], { cwd: root.path })).json<Applied>();
  expect(items.map((item) => item.what)).toEqual(["model@v1"]);
});

test("a damaged database stops it", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 2);
  using db = new Database(root.at("store/coffer.db"));
  const { page } = db.query("SELECT rootpage AS page FROM sqlite_schema WHERE name = 'artifacts'").get() as { page: number };
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const fd = openSync(root.at("store/coffer.db"), "r+");
  writeSync(fd, Buffer.alloc(512, 0x5a), 0, 512, (page - 1) * 4096);
  closeSync(fd);
  for (const words of [["gc"], ["gc", "--apply"]])
    expect(await coffer(words, { root: root.at("store") })).toMatchObject({
      code: 5,
      stdout: "",
      stderr: expect.stringContaining("the database is damaged"),
    });
  expect(storedFiles(root)).toHaveLength(2);
});

test("after a rebuild it waits for a person's word", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 2);
  using db = new Database(root.at("store/coffer.db"));
  db.run("INSERT INTO store VALUES ('rebuilt', '1')");
  db.close();
  for (const rules of [[], ["--max-versions", "1"]])
    expect((await coffer(["gc", ...rules], { root: root.at("store") })).stderr).toContain("--apply alone is refused until then");
  const words = ["gc", "--max-versions", "1", "--apply"];
  expect(await coffer(words, { root: root.at("store") })).toMatchObject({ code: 5, stderr: expect.stringContaining("was rebuilt") });
  expect(storedFiles(root)).toHaveLength(2);
  expect(await coffer([...words, "--yes"], { root: root.at("store") })).toMatchObject({ code: 0 });
  expect(storedFiles(root)).toHaveLength(1);
  expect(await coffer(words, { root: root.at("store") })).toMatchObject({ code: 0 });
});

test("what could not be deleted is listed, with exit code 3", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 2);
  const [oldest] = readdirSync(root.at("store/binaries/default"))
    .map((name) => root.at("store/binaries/default", name))
    .sort((a, b) => statSync(a).ctimeMs - statSync(b).ctimeMs) as [string];
  await Bun.file(oldest).delete();
  mkdirSync(oldest);
  const result = await coffer(["gc", "--max-versions", "1", "--apply"], { root: root.at("store") });
  expect(result).toMatchObject({ code: 3, stdout: expect.stringContaining("1 could not be deleted") });
  expect(result.stderr).toContain("something that is no file lies there");
});

test("SIGINT stops it between two batches, and another gc does the rest", async () => {
  using root = temporaryRoot();
  await logVersions(root, "model", 1);
  using db = new Database(root.at("store/coffer.db"));
  // rows without files: what is gone already counts as done
  db.run(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO blobs (blake3, size, state, dataset, place, path, created_at)
    SELECT unhex(printf('%064x', i)), 1, 'live', 'default', 'file', 'binaries/default/' || i, 0 FROM n`);
  db.run(`INSERT INTO artifacts (uid, id, run, version, state, state_at, role, kind, blob, digest, size, mode, path, type, created_at)
    SELECT 'u' || seq, 'r/' || seq, 1, 1, 'live', 0, 'output', 'file', seq, 'blake3:' || lower(hex(blake3)), 1, 420, seq, 'file', 0 FROM blobs WHERE seq > 1`);
  db.run("UPDATE runs SET manifest = 'due'");
  db.close();
  const child = spawnCoffer(["gc", "--max-age", "1", "--apply", "--json"], { root: root.at("store") });
  const journal = root.at("store/manifests/journal.jsonl");
  await appears(journal, child);
  child.kill("SIGINT");
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect([child.exitCode, stderr]).toEqual([130, expect.stringContaining("run it again for the rest")]);
  expect((JSON.parse(stdout) as Applied).applied?.interrupted).toBe(true);
  const rest = (await coffer(["gc", "--max-age", "1", "--apply", "--json"], { root: root.at("store") })).json<Applied>();
  expect(rest.applied).toMatchObject({ interrupted: false, failed: [] });
  expect((await coffer(["gc", "--max-age", "1", "--json"], { root: root.at("store") })).json<Applied>().items).toEqual([]);
  expect(await coffer(["verify"], { root: root.at("store") })).toMatchObject({ code: 0 });
}, 30_000);

test("gc makes no store, and refuses nonsense", async () => {
  using root = temporaryRoot();
  expect(await coffer(["gc"], { root: root.at("store") })).toMatchObject({ code: 4 });
  expect(existsSync(root.at("store"))).toBe(false);
  expect(await coffer(["gc", "--max-versions", "0"], { root: root.at("store") })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("the newest version always stays"),
  });
});
