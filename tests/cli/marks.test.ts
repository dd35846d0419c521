import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done, words } from "./words.ts";

interface World extends Disposable {
  root: TemporaryRoot;
  runs: string[];
  /** Exit code, stdout and stderr, with ids as words. */
  say(...args: string[]): Promise<[code: number | null, stdout: string, stderr: string]>;
  json(...args: string[]): Promise<Record<string, unknown>>;
}

/** Three versions of “m”. */
async function world(): Promise<World> {
  const root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  const runs: string[] = [];
  for (let version = 1; version <= 3; version++) {
    writeFileSync(root.at("f"), `version ${version}`);
    runs.push((await done(["log", "f", "--name", "m", "--json"], options)).json<{ run: string }>().run);
  }
  return {
    root,
    runs,
    async say(...args) {
      const { code, stdout, stderr } = await coffer(args, options);
      return [code, words(stdout), words(stderr)];
    },
    json: async (...args) => (await done([...args, "--json"], options)).json(),
    [Symbol.dispose]: () => root[Symbol.dispose](),
  };
}

test("an alias is set, moved, shown and taken away", async () => {
  using w = await world();
  expect(await w.say("alias", "m@v1", "best")).toEqual([0, "", "coffer: m@best is v1\n"]);
  expect(await w.json("alias", "m", "best")).toEqual({ schema: "coffer.alias/1", name: "m", alias: "best", version: 3 });
  expect(await w.json("show", "m@best")).toMatchObject({ version: 3, aliases: ["best"] });
  expect(await w.say("alias", "m@best", "--remove")).toEqual([0, "", "coffer: m@best is no more\n"]);
  expect((await w.say("alias", "m@best", "--remove"))[0]).toBe(4);
  for (const [args, code] of [
    [["m", "latest"], 2],
    [["m", "v2"], 2],
    [["m", "a/b"], 2],
    [["m"], 2],
    [["none", "best"], 4],
    [[`${w.runs[0]}`, "best"], 4],
  ] as const)
    expect([args, (await w.say("alias", ...args))[0]]).toEqual([args, code]);
});

test("a pin protects from rm, and is taken away", async () => {
  using w = await world();
  expect(await w.say("pin", "m@v1", "--note", "in production")).toEqual([0, "", "coffer: m@v1 is pinned\n"]);
  expect(await w.json("show", "m@v1")).toMatchObject({ pinned: true });
  expect((await w.say("rm", "m@v1"))[0]).toBe(5);
  expect((await w.say("rm", w.runs[0] as string))[0]).toBe(5);
  expect(await w.json("unpin", "m@v1")).toMatchObject({ schema: "coffer.pin/1", pinned: false, version: 1 });
  expect((await w.say("unpin", "m@v1"))[0]).toBe(4);
  expect((await w.say("rm", "m@v1"))[0]).toBe(0);
});

test("tags of runs and artifacts are set and taken away, all of them or none", async () => {
  using w = await world();
  expect(await w.json("tag", "m@v1", "a=1", "b=x=y")).toMatchObject({ schema: "coffer.tag/1", set: { a: "1", b: "x=y" }, removed: [] });
  expect((await w.say("tag", "m@v1", "c=1", "--remove", "none"))[0]).toBe(4);
  expect(await w.json("tag", "m@v1", "a=2", "--remove", "b")).toMatchObject({ removed: ["b"] });
  expect(await w.json("show", "m@v1")).toMatchObject({ tags: { a: "2" } });
  await w.json("tag", w.runs[1] as string, "kind=run");
  expect(await w.json("ls", "--tag", "kind=run")).toMatchObject({ artifacts: [{ version: 2 }] });
  for (const args of [["m"], ["m", "x"], ["m", "=1"], ["m", `${"k".repeat(251)}=1`]])
    expect([args, (await w.say("tag", ...args))[0]]).toEqual([args, 2]);
});

test("rm takes out of sight and restore brings back; no byte goes", async () => {
  using w = await world();
  const [code, stdout, stderr] = await w.say("rm", "m");
  expect([code, stdout]).toEqual([0, ""]);
  expect(stderr).toStartWith("coffer: m@v3 is out of sight (1 artifact, 9 B); coffer restore m@v3 brings");
  expect(await w.json("show", "m")).toMatchObject({ version: 2, state: "live" });
  expect(await w.json("show", "m@v3")).toMatchObject({ version: 3, state: "removed" });
  expect((await w.say("get", "m@v3"))[0]).toBe(4);
  expect((await w.say("rm", "m@v3"))[0]).toBe(4);
  expect((await w.say("ls", "m", "--all"))[1]).toContain("removed");
  expect(await w.json("restore", "m@v3")).toMatchObject({ schema: "coffer.restore/1", artifacts: [{ version: 3 }] });
  expect((await w.say("restore", "m@v3"))[0]).toBe(4);
  expect(readFileSync(((await w.json("get", "m")) as { path: string }).path, "utf8")).toBe("version 3");
  expect(await w.json("rm", w.runs[0] as string)).toMatchObject({ schema: "coffer.rm/1", artifacts: [{ version: 1, size: 9 }] });
  expect(((await w.json("runs")) as { runs: unknown[] }).runs.length).toBe(2);
  await w.json("restore", w.runs[0] as string);
  expect(((await w.json("runs")) as { runs: unknown[] }).runs.length).toBe(3);
  expect((await w.say("verify"))[2]).toContain("all whole");
});

test("rm says the words that bring it back, also of a run that was named", async () => {
  using w = await world();
  const at = { root: w.root.at("s"), cwd: w.root.path };
  for (const _ of [1, 2]) await done(["run", "--quiet", "--name", "my first", "--", "true"], at);
  const { stderr } = await coffer(["rm", "my first"], at);
  const again = /coffer restore (\S+) /.exec(stderr)?.[1] as string;
  expect(await w.json("restore", again)).toMatchObject({ runs: [again] });
  await w.json("rm", "my first");
  expect(await w.json("restore", "my first")).toMatchObject({ runs: [again] });
});

test("restore says what gc has deleted of a run since, and brings back the rest", async () => {
  using w = await world();
  const script = 'cd "$COFFER_WORKSPACE"; echo 1 >one; echo 2 >two';
  const ran = await done(["run", "--name", "both", "--json", "--", "sh", "-c", script], { root: w.root.at("s"), cwd: w.root.path });
  const { id } = ran.json<{ id: string }>();
  await w.json("rm", `${id}/one`);
  await w.json("gc", "--grace", "0", "--apply");
  await w.json("rm", "both");
  expect((await w.say("restore", "both"))[2]).toContain("1 artifact (RUN/one) cannot come back: gc has deleted the bytes");
  await w.json("rm", "both");
  expect(await w.json("restore", "both")).toMatchObject({ artifacts: [{ id: `${id}/two` }], gone: [{ id: `${id}/one`, version: 1 }] });
});

test("what has an alias stays in sight until that is taken away", async () => {
  using w = await world();
  await w.json("alias", "m@v1", "best");
  const [code, , stderr] = await w.say("rm", "m@v1");
  expect([code, stderr]).toEqual([5, expect.stringContaining("coffer alias m@best --remove")]);
  await w.json("alias", "m@best", "--remove");
  await w.json("rm", "m@v1");
});

test("stats counts references and blobs, and says where the bytes lie", async () => {
  using w = await world();
  writeFileSync(w.root.at("g"), "version 3");
  await done(["log", "g", "--type", "dataset", "--dataset", "corn"], { root: w.root.at("s"), cwd: w.root.path });
  expect(await w.json("stats")).toMatchObject({
    references: 4,
    unique: 3,
    ratio: 0.25,
    logical: 36,
    stored: 27,
    by_type: [
      { key: "file", artifacts: 3, bytes: 27 },
      { key: "dataset", artifacts: 1, bytes: 9 },
    ],
    disk: { store: { files: 3, bytes: 27 } },
  });
  const [, stdout] = await w.say("stats");
  expect(stdout).toContain("unique      3 (deduplication ratio 0.250)");
  expect(stdout.replaceAll(w.root.path, "ROOT")).toMatch(/^store +3 +27 B +ROOT\/s\/binaries$/m);
});

test("verify says what is whole, and lists what is damaged with exit code 1", async () => {
  using w = await world();
  expect(await w.say("verify", "--sample", "100%")).toEqual([0, "", "coffer: 3 blobs, 27 B: all whole\n"]);
  const { path } = (await w.json("get", "m@v2")) as { path: string };
  Bun.spawnSync(["chmod", "u+w", path]);
  writeFileSync(path, "version X");
  const [code, stdout, stderr] = await w.say("verify");
  expect([code, stdout, stderr]).toEqual([
    1,
    `changed  ${path}  blake3:DIGEST  its bytes are not those of its digest\n  hits m@v2 (f of run RUN)\n`,
    `coffer: error: 1 fault (3 blobs, 27 B read)
coffer: coffer verify --repair looks for other copies: in workspaces, the store, the cache, on the MLflow server, and below --from DIR
`,
  ]);
});

test("what is marked later is in the journal, and the manifest of the run is written again", async () => {
  using w = await world();
  await w.json("alias", "m@v1", "best");
  await w.json("pin", "m@v1");
  await w.json("tag", "m@v1", "reviewed=yes");
  const journal = readFileSync(w.root.at("s/manifests/journal.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { did: string; seq: number });
  expect(journal.map(({ did }) => did)).toEqual(["alias", "pin", "tag"]);
  const manifest = Bun.YAML.parse(readFileSync(w.root.at("s/manifests", `${w.runs[0]}.yaml`), "utf8")) as {
    schema_version: string;
    artifacts: { items: { artifact_id: string }[] };
    coffer: { artifacts: { tags: object }[] };
  };
  expect([manifest.schema_version, manifest.artifacts.items[0]?.artifact_id, manifest.coffer.artifacts[0]?.tags]).toEqual([
    "2.0",
    `${w.runs[0]}/f`,
    { reviewed: "yes" },
  ]);
});
