import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import { appears } from "../support/appears.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const ask = (root: TemporaryRoot, ...words: string[]): Promise<CofferResult> => coffer(words, { root: root.at("store"), cwd: root.path });

function lose(root: TemporaryRoot): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(root.at(`store/coffer.db${suffix}`), { force: true });
}

async function keep(root: TemporaryRoot, name: string, bytes = name): Promise<void> {
  writeFileSync(root.at(name), bytes);
  expect(await ask(root, "log", name, "--name", name, "--quiet")).toMatchObject({ code: 0 });
}

test("a lost database: every command hints at rebuild, rebuild makes it, and gc waits for a word", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  await ask(root, "alias", "a@v1", "best");
  lose(root);
  for (const words of [["ls"], ["log", "a"], ["gc"]])
    expect(await ask(root, ...words)).toMatchObject({ code: 5, stderr: expect.stringContaining("run coffer rebuild") });
  expect(await ask(root, "rebuild", "--dry-run")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("to be made: 1 run, 1 artifact"),
  });
  expect(existsSync(root.at("store/coffer.db"))).toBe(false);
  expect(await ask(root, "rebuild")).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("made: 1 run, 1 artifact") });
  const path = (await ask(root, "get", "a@best")).stdout.trim();
  expect(readFileSync(path, "utf8")).toBe("a");
  expect(await ask(root, "gc", "--apply")).toMatchObject({ code: 5, stderr: expect.stringContaining("was rebuilt") });
  expect(await ask(root, "gc", "--apply", "--yes")).toMatchObject({ code: 0 });
  expect(await ask(root, "gc", "--apply")).toMatchObject({ code: 0 });
  expect(await ask(root, "rebuild")).toMatchObject({ code: 5, stderr: expect.stringContaining("--force") });
});

test("what cannot be made again is listed, with exit code 3; where there is nothing, 4", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  await keep(root, "b");
  lose(root);
  rmSync(root.at("store/binaries"), { recursive: true });
  const result = await ask(root, "rebuild", "--json");
  expect(result).toMatchObject({ code: 3, stderr: expect.stringContaining("2 things are not as they were; they are listed") });
  expect(result.json()).toMatchObject({
    schema: "coffer.rebuild/1",
    runs: 2,
    damage: [{ what: "missing" }, { what: "missing" }],
    notes: [],
  });
  expect(await ask(root, "get", "a")).toMatchObject({ code: 1 });
  // logging it again brings it back
  await keep(root, "a");
  expect(await ask(root, "get", "a@v1")).toMatchObject({ code: 0 });
  mkdirSync(root.at("empty"));
  expect(await coffer(["rebuild"], { root: root.at("empty") })).toMatchObject({ code: 4 });
  expect(readdirSync(root.at("empty"))).toEqual([]);
});

test("a run that goes on while the database is lost and made again keeps its exit code and its workspace, and is adopted with its end", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  const script = 'echo out > "$COFFER_WORKSPACE/o.txt"; touch begun; while [ ! -e go ]; do sleep 0.05; done; exit 7';
  const run = spawnCoffer(["run", "--root", root.at("store"), "--", "sh", "-c", script], { cwd: root.path });
  await appears(root.at("begun"), run);
  expect(await ask(root, "rebuild", "--force")).toMatchObject({ code: 5, stderr: expect.stringContaining("a process is at work") });
  lose(root);
  const rebuilt = (await ask(root, "rebuild", "--json")).json<{ left: { id: string; workspace: string; state: string }[] }>();
  expect(rebuilt.left).toMatchObject([{ state: "running" }]);
  writeFileSync(root.at("go"), "");
  expect(await run.exited).toBe(7);
  expect(await run.stderr.text()).toContain("was replaced or removed");
  const { runs } = (await ask(root, "runs", "--json")).json<{ runs: { id: string; state: string; exit_code: number }[] }>();
  const [{ id, workspace }] = rebuilt.left as [(typeof rebuilt.left)[number]];
  expect(runs.find((one) => one.id === id)).toMatchObject({ state: "failed", exit_code: 7 });
  expect(readFileSync(join(workspace, "o.txt"), "utf8")).toBe("out\n");
});

test("before a whole database is replaced, what it alone knows is written down", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  const manifests = (): string[] => readdirSync(root.at("store/manifests")).filter((name) => name.endsWith(".yaml"));
  rmSync(root.at("store/manifests", manifests()[0] as string));
  using db = new Database(root.at("store/coffer.db"));
  db.run("UPDATE runs SET manifest = 'due'");
  db.close();
  expect(await ask(root, "rebuild", "--force")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("the old database is coffer.db.2"),
  });
  expect([manifests().length, (await ask(root, "get", "a")).code]).toEqual([1, 0]);
});

test("a log and a run that waited while the database was replaced go on with the new one", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  writeFileSync(root.at("b"), "b");
  const options = { root: root.at("store"), cwd: root.path };
  const env = { [SYNC_POINTS_VARIABLE]: `rebuild.finished=hold:${root.at("hold")}` };
  const rebuild = spawnCoffer(["rebuild", "--force"], { ...options, env });
  await appears(root.at("hold.reached"), rebuild);
  const waiting = [
    ["log", "b", "--name", "b"],
    ["run", "--name", "c", "--", "sh", "-c", "echo ran >>ran"],
  ].map((words) => spawnCoffer(words, options));
  // each says so once it waits
  const said = waiting.map(({ stderr }) => stderr.getReader());
  for (const reader of said) expect(new TextDecoder().decode((await reader.read()).value)).toContain("waiting for the database");
  writeFileSync(root.at("hold"), "");
  expect(await rebuild.exited).toBe(0);
  expect(await Promise.all(waiting.map(({ exited }) => exited))).toEqual([0, 0]);
  expect(readFileSync(root.at("ran"), "utf8")).toBe("ran\n");
  for (const name of ["a", "b"]) expect((await ask(root, "get", name)).code).toBe(0);
  expect((await ask(root, "runs", "--json")).json<{ runs: { state: string }[] }>().runs.map(({ state }) => state)).toEqual(
    Array(3).fill("finished"),
  );
});

test("what was acknowledged beside rebuilds is there after them, and what was not says so", async () => {
  using root = temporaryRoot();
  await keep(root, "first");
  const acknowledged: string[] = ["first"];
  const writer = async (own: string): Promise<void> => {
    for (let nth = 0; nth < 6; nth++) {
      const name = `${own}${nth}`;
      writeFileSync(root.at(name), name);
      const { code, stderr } = await ask(root, "log", name, "--name", name);
      if (code === 0) acknowledged.push(name);
      // 5: there is no database for a moment
      else expect([code, stderr]).toEqual([code === 5 ? 5 : 1, expect.stringMatching(/was replaced or removed|run coffer rebuild/)]);
    }
  };
  const rebuilder = async (): Promise<void> => {
    for (let nth = 0; nth < 6; nth++) expect([0, 5]).toContain((await ask(root, "rebuild", "--force")).code as number);
  };
  await Promise.all([writer("a"), writer("b"), rebuilder()]);
  const { artifacts } = (await ask(root, "ls", "--json")).json<{ artifacts: { ref: string }[] }>();
  expect(artifacts.map(({ ref }) => ref).sort()).toEqual(acknowledged.map((name) => `${name}@v1`).sort());
  expect(await ask(root, "verify")).toMatchObject({ code: 0 });
}, 60_000);

test("killed at any moment, a rebuild leaves nothing that the next one does not finish", async () => {
  using root = temporaryRoot();
  for (const name of ["a", "b", "c"]) await keep(root, name, name.repeat(200_000));
  const listed = async (): Promise<unknown> => (await ask(root, "ls", "--json")).json<{ artifacts: unknown }>().artifacts;
  const before = await listed();
  for (const after of [0, 10, 25, 40, 60, 80, 100, 130]) {
    truncateSync(root.at("store/coffer.db"), 8192);
    const killed = spawnCoffer(["rebuild", "--root", root.at("store")], { cwd: root.path });
    await Bun.sleep(after);
    killed.kill("SIGKILL");
    await killed.exited;
    const { code } = await ask(root, "rebuild");
    // 5: it had finished
    expect([0, 5]).toContain(code as number);
    expect(await listed()).toEqual(before);
    expect(readdirSync(root.at("store")).filter((name) => /\.(new|lock)/.test(name))).toEqual([]);
  }
  expect(await ask(root, "verify")).toMatchObject({ code: 0 });
}, 60_000);

test("a root that cannot be written to is said, and the damaged database stays as it is", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  truncateSync(root.at("store/coffer.db"), 8192);
  const before = readFileSync(root.at("store/coffer.db"));
  // the temporary name is taken by what nobody can open
  mkdirSync(root.at("store/coffer.db.lock"));
  expect(await ask(root, "rebuild")).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be made again") });
  expect(readFileSync(root.at("store/coffer.db")).equals(before)).toBe(true);
  chmodSync(root.at("store"), 0o755);
});

test("a newer database, and a type of store that cannot be used, are refused as everywhere", async () => {
  using root = temporaryRoot();
  await keep(root, "a");
  using db = new Database(root.at("store/coffer.db"));
  db.run("PRAGMA user_version = 999");
  db.close();
  const before = readFileSync(root.at("store/coffer.db"));
  for (const words of [["rebuild"], ["rebuild", "--force"], ["rebuild", "--dry-run"]])
    expect(await ask(root, ...words)).toMatchObject({ code: 5, stderr: expect.stringContaining("newer coffer") });
  expect(readFileSync(root.at("store/coffer.db")).equals(before)).toBe(true);
  writeFileSync(root.at("coffer.yaml"), "artifact_store: {type: s3, root_path: ./store}\n");
  expect(await ask(root, "rebuild")).toMatchObject({ code: 2 });
});

needsMlflow(test)(
  "what a server was told is known after a rebuild: the next sync asks nothing",
  async () => {
    using root = temporaryRoot();
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
    const env = { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_EXPERIMENT_NAME: "rebuilt", MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };
    const told = (...words: string[]): Promise<CofferResult> => coffer(words, { root: root.at("store"), cwd: root.path, env });
    const script = `cd "$COFFER_WORKSPACE"; echo weights >model.bin; echo '{"loss": NaN, "acc": 0.5}' >metrics.json`;
    expect(await told("run", "--", "sh", "-c", script)).toMatchObject({ code: 0 });
    await keep(root, "waiting");
    expect(await told("sync-mlflow")).toMatchObject({ code: 0 });
    lose(root);
    expect(await ask(root, "rebuild")).toMatchObject({ code: 0 });
    proxy.requests.length = 0;
    expect((await told("sync-mlflow", "--json")).json()).toMatchObject({ synced: 0, left: 0 });
    expect(proxy.requests).toEqual([]);
  },
  60_000,
);
