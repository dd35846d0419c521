import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { installedPython } from "../../scripts/mlflow/environment.ts";
import { binary, coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { asOrdinaryUser, giveToEverybody } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { foreignTree, sha256, UID } from "../manifest/foreign-tree.ts";

const STACK = "0001_pls_abc123:0:5:all";

/** A store, and a copy of a tree that another program wrote. */
function place(): TemporaryRoot & { run(...args: string[]): Promise<CofferResult> } {
  const root = temporaryRoot();
  cpSync(join(import.meta.dir, "../fixtures/manifest-tree-v2"), root.at("w"), { recursive: true });
  return {
    ...root,
    [Symbol.dispose]: () => root[Symbol.dispose](),
    run: (...args) => coffer(args, { root: root.at("s"), cwd: root.path }),
  };
}

const original = (root: TemporaryRoot): string => root.at("w/runs/2025-12-12_corn_m5/0001_pls_abc123/manifest.yaml");

test("import, then export: the same manifest in meaning, with the keys of the format and those that are not in it", async () => {
  using root = place();
  const imported = await root.run("manifest", "import", "w");
  expect(imported).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^RUN +STATE +NEW +KNOWN\n4b975cbc-0f73-4481-b99a-0c793bbe19bf +imported +4 +0\n$/),
  });
  expect(imported.stderr).toContain("4 files stay where they are, and are read at the first use");
  const exported = await root.run("manifest", "export", "4b975cbc");
  expect(exported).toMatchObject({ code: 0, stderr: "" });
  expect(Bun.YAML.parse(exported.stdout)).toEqual(Bun.YAML.parse(readFileSync(original(root), "utf8")));
  expect(exported.stdout).toContain('- artifact_id: "0001_pls_abc123:0:5:all"');
});

const python = installedPython();
if (!python) console.error("skipped: there is no PyYAML under .venv to read a manifest with");
test.skipIf(!python)("PyYAML reads the same values from an export as from the original, ids as text", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  await root.run("manifest", "export", "4b975cbc", "-o", "out.yaml");
  const compare = `import sys, yaml; one, other = (yaml.safe_load(open(path)) for path in sys.argv[1:]); print(one == other, all(type(item["artifact_id"]) is str for item in other["artifacts"]["items"]))`;
  const seen = Bun.spawnSync([python as string, "-c", compare, original(root), root.at("out.yaml")]);
  expect(seen.stdout.toString()).toBe("True True\n");
});

test.skipIf(!python)("PyYAML reads keys of any length and characters that YAML 1.1 does not print", async () => {
  using tree = foreignTree();
  const params = { ["k".repeat(3000)]: { ["é".repeat(1200)]: [[{ ["z".repeat(1100)]: 1 }]] }, odd: "\ufffe\uffff" };
  tree.write([{ artifact_id: "a", params }]);
  const run = (...args: string[]) => coffer(args, { root: tree.root.at("s"), cwd: tree.root.path });
  await run("manifest", "import", "w");
  await run("manifest", "export", UID, "-o", "out.yaml");
  writeFileSync(tree.root.at("params.json"), JSON.stringify(params));
  const compare = `import json, sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["artifacts"]["items"][0]["params"] == json.load(open(sys.argv[2])))`;
  const seen = Bun.spawnSync([python as string, "-c", compare, tree.root.at("out.yaml"), tree.root.at("params.json")]);
  expect([seen.stdout.toString(), seen.stderr.toString()]).toEqual(["True\n", ""]);
});

test("what a store of coffer exports with its bytes, another one takes over whole, and exports again the same", async () => {
  using root = place();
  const log = (...args: string[]) => root.run("log", ...args);
  writeFileSync(root.at("raw.csv"), "1,2");
  writeFileSync(root.at("model.pt"), "weights");
  mkdirSync(root.at("plots/deep"), { recursive: true });
  writeFileSync(root.at("plots/deep/a.png"), "png");
  await log("raw.csv", "--name", "raw", "--dataset", "corn", "--artifact-tag", "source=lab");
  await log(
    "model.pt",
    "--step",
    "0001_pls:0:3.1:2",
    "--dataset",
    "corn",
    "--type",
    "model",
    "--class",
    "PLS",
    "--depends-on",
    "raw",
    "--metric",
    "rmse=0.25",
  );
  writeFileSync(root.at("model.pt"), "other weights");
  await log("model.pt", "--dataset", "corn", "--description", "a second one");
  expect(await log("plots", "--name", "plots", "--dataset", "corn")).toMatchObject({ code: 0 });
  const exported = await root.run("manifest", "export", "--dataset", "corn", "--with-bytes", "-o", "out");
  expect(exported).toMatchObject({ code: 0 });
  const files = readdirSync(root.at("out/binaries/corn"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map(({ name }) => name.replace(/[0-9a-f]{12}/, "…")).toSorted()).toEqual(["a.png", "model.pt", "model_….pt", "raw.csv"]);

  const other = (...args: string[]) => coffer(args, { root: root.at("other"), cwd: root.path });
  expect(await other("manifest", "import", "out")).toMatchObject({ code: 0 });
  const shown = (await other("show", "0001_pls:0:3.1:2", "--json")).json<{ artifact?: object }>();
  expect(JSON.stringify(shown)).toContain('"PLS"');
  expect((await other("get", "plots/deep/a.png")).code).toBe(0);
  expect(readFileSync((await other("get", "0001_pls:0:3.1:2")).stdout.trim(), "utf8")).toBe("weights");
  expect(await other("ls", "--tag", "source=lab", "--json")).toMatchObject({ stdout: expect.stringContaining('"name":"raw"') });
  expect(await other("lineage", "0001_pls:0:3.1:2", "--json")).toMatchObject({ stdout: expect.stringContaining('"raw') });
  expect(await other("verify")).toMatchObject({ code: 0 });
  const again = await other("manifest", "export", "--dataset", "corn", "--with-bytes", "-o", "again");
  expect(again).toMatchObject({ code: 0 });
  const manifests = (directory: string): unknown[] =>
    [...new Bun.Glob("runs/**/manifest.yaml").scanSync({ cwd: root.at(directory) })]
      .toSorted()
      .map((path) => Bun.YAML.parse(readFileSync(root.at(directory, path), "utf8")))
      .map((manifest) => {
        // how the run went is the first store's to know
        const { coffer: block, ...rest } = manifest as { coffer?: { artifacts?: unknown } };
        return { ...rest, coffer: block?.artifacts };
      });
  expect(manifests("again")).toEqual(manifests("out"));
});

test("half-written YAML is refused with its place, and another version by its name; nothing is stored", async () => {
  using root = place();
  const text = readFileSync(original(root), "utf8");
  writeFileSync(original(root), text.slice(0, text.indexOf("class_name: Ridge")));
  const half = await root.run("manifest", "import", "w");
  expect(half.code).toBe(1);
  expect(half.stderr).toMatch(/manifest\.yaml: artifacts\.items\[1\]|line [0-9]+/);
  writeFileSync(original(root), text.replace("branch_path: []", "branch_path: [0"));
  expect((await root.run("manifest", "import", "w")).stderr).toMatch(/manifest\.yaml: line 1[0-9], column/);
  writeFileSync(original(root), text.replaceAll("'2.0'", "'9.9'"));
  expect((await root.run("manifest", "import", "w")).stderr).toContain('it is of schema "9.9"');
  expect(await root.run("ls", "--json")).toMatchObject({ stdout: expect.stringContaining('"artifacts":[]') });
  expect(await root.run("manifest", "import", "nowhere")).toMatchObject({ code: 4 });
});

test("what is not there is said, and the exit code says it too; when it is there it can be used", async () => {
  using root = place();
  const file = root.at("w/binaries/corn_m5/meta_model_Ridge_c047704d7a92.joblib");
  renameSync(file, root.at("elsewhere"));
  const imported = await root.run("manifest", "import", "w");
  expect(imported.code).toBe(3);
  expect(imported.stderr).toContain(`${STACK}: ${file}: it is not there`);
  const gone = await root.run("get", STACK);
  expect(gone.code).toBe(1);
  expect(gone.stderr).toContain(`${file} is gone`);
  renameSync(root.at("elsewhere"), file);
  expect(await root.run("get", STACK)).toMatchObject({ code: 0, stdout: `${file}\n` });
  expect(await root.run("get", "sha256:c047704d7a92", "-o", "copy")).toMatchObject({ code: 0 });
  expect(sha256(readFileSync(root.at("copy")))).toStartWith("c047704d7a92");
});

test("gc never deletes what lies elsewhere", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  expect((await root.run("verify")).stderr).toContain("4 of them came with an import");
  await root.run("rm", "4b975cbc");
  expect(await root.run("gc", "--grace", "0", "--apply")).toMatchObject({ code: 0 });
  expect((await root.run("ls", "--json")).json<{ artifacts: unknown[] }>().artifacts).toEqual([]);
  expect(readdirSync(root.at("w/binaries/corn_m5"))).toHaveLength(4);
});

test("with --copy the tree may go", async () => {
  using root = place();
  expect((await root.run("manifest", "import", "w", "--copy")).stderr).toContain("4 files taken into the store");
  rmSync(root.at("w"), { recursive: true });
  expect(await root.run("get", STACK, "-o", "copy")).toMatchObject({ code: 0 });
  expect(sha256(readFileSync(root.at("copy")))).toStartWith("c047704d7a92");
});

test("an export overwrites nothing, and says where several go", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  writeFileSync(root.at("there"), "mine");
  expect(await root.run("manifest", "export", "4b975cbc", "-o", "there")).toMatchObject({ code: 5 });
  expect(await root.run("manifest", "export", "4b975cbc", "--with-bytes", "-o", "w")).toMatchObject({ code: 5 });
  expect(await root.run("manifest", "export", "4b975cbc", "--with-bytes")).toMatchObject({ code: 2 });
  expect(await root.run("manifest", "export")).toMatchObject({ code: 2 });
  expect(await root.run("manifest", "export", "--dataset", "nosuch")).toMatchObject({ code: 4 });
  await root.run("log", "there", "--dataset", "corn_m5", "--depends-on", STACK);
  expect((await root.run("manifest", "export", "--dataset", "corn_m5")).stderr).toContain("add -o DIR");
  const several = await root.run("manifest", "export", "--dataset", "corn_m5", "-o", "out");
  expect(several.stdout.trim().split("\n")).toHaveLength(2);
  const latest = (await root.run("runs", "--json")).json<{ runs: { id: string }[] }>().runs[0]?.id as string;
  expect((await root.run("manifest", "export", latest)).stderr).toContain("of other runs");
  expect(readFileSync(root.at("there"), "utf8")).toBe("mine");
});

const user = asOrdinaryUser();
test.skipIf(user === undefined)(
  "two thousand records are taken over by a user who may read none of their files",
  async () => {
    using tree = foreignTree();
    const items = Array.from({ length: 2000 }, (_, index) => ({
      artifact_id: `0001_big:${index % 5}:${Math.floor(index / 5)}:${index % 7}`,
      depends_on: index % 90 < 5 ? [] : [`0001_big:${index % 5}:${Math.floor(index / 5) - 1}:${(index - 5) % 7}`],
    }));
    tree.write(items, { uid: UID });
    Bun.spawnSync(["chmod", "-R", "a+rX", tree.root.path]);
    for (const name of readdirSync(tree.file(""))) chmodSync(tree.file(name), 0);
    giveToEverybody(tree.root.at("s"));
    const store = tree.root.at("s");
    const options = { before: user ?? [], root: store, cwd: store, env: { HOME: store } };
    const imported = await coffer(["manifest", "import", tree.root.at("w"), "--json"], options);
    expect(imported.stderr).toContain("2000 files stay where they are");
    expect(imported.json()).toMatchObject({ unverified: 2000, missing: [] });
    expect(existsSync(tree.root.at("s/manifests", `${UID}.yaml`))).toBe(true);
  },
  60_000,
);

test("the same bytes from two runs are one blob, and the manifests of both name it", async () => {
  using root = place();
  writeFileSync(root.at("same"), "the same bytes");
  for (let number = 0; number < 2; number++) await root.run("log", "same", "--dataset", "d");
  const written = readdirSync(root.at("s/manifests")).filter((name) => name.endsWith(".yaml"));
  const digests = written.map(
    (name) => /content_hash: "(blake3:[0-9a-f]{64})"/.exec(readFileSync(root.at("s/manifests", name), "utf8"))?.[1],
  );
  expect(new Set(digests).size).toBe(1);
  expect(digests).toHaveLength(2);
  expect(readdirSync(root.at("s/binaries/d"))).toHaveLength(1);
  await root.run("manifest", "export", "--dataset", "d", "-o", "out");
  const exported = [...new Bun.Glob("runs/**/manifest.yaml").scanSync({ cwd: root.at("out") })].map((path) =>
    readFileSync(root.at("out", path), "utf8"),
  );
  expect(exported.map((text) => text.includes(`content_hash: "sha256:${sha256("the same bytes")}"`))).toEqual([true, true]);
});

test("a tree that moved is imported again from where it is, and its bytes are handed out from there", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  renameSync(root.at("w"), root.at("w2"));
  const again = await root.run(
    "manifest",
    "import",
    "w2",
    "w2/runs/2025-12-12_corn_m5/../2025-12-12_corn_m5/0001_pls_abc123/manifest.yaml",
  );
  expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/known +0 +4\n$/) });
  expect(again.stderr).toContain("4 files are looked for here from now on");
  expect((await root.run("get", STACK)).stdout).toBe(`${root.at("w2/binaries/corn_m5/meta_model_Ridge_c047704d7a92.joblib")}\n`);
});

test("what was copied stays where it is, wherever the tree goes, and bytes that changed there are refused", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  expect((await root.run("manifest", "import", "w", "--copy")).stderr).toContain("4 files taken into the store");
  renameSync(root.at("w"), root.at("w2"));
  expect(await root.run("manifest", "import", "w2", "--copy")).toMatchObject({ code: 0, stdout: expect.stringMatching(/known +0 +4\n$/) });
  const file = root.at("w2/binaries/corn_m5/meta_model_Ridge_c047704d7a92.joblib");
  const other = (...args: string[]) => coffer(args, { root: root.at("other"), cwd: root.path });
  await other("manifest", "import", "w2");
  writeFileSync(file, "x".repeat(readFileSync(file).length));
  expect(await other("manifest", "import", "w2", "--copy")).toMatchObject({ code: 1, stderr: expect.stringContaining("is not what") });
  writeFileSync(file, "shorter");
  expect(await other("manifest", "import", "w2", "--copy")).toMatchObject({ code: 3, stderr: expect.stringContaining("it has 7 bytes") });
  expect((await root.run("get", STACK, "-o", "copy")).code).toBe(0);
});

test("bytes that are still missing are said again, by their exit code too, and nobody says that the store has all of it", async () => {
  using root = place();
  rmSync(root.at("w/binaries/corn_m5/meta_model_Ridge_c047704d7a92.joblib"));
  for (let time = 0; time < 2; time++) {
    const { code, stderr } = await root.run("manifest", "import", "w");
    expect([code, stderr]).toEqual([3, expect.stringContaining("it is not there")]);
    expect(stderr).not.toContain("has all of it");
  }
});

test("nothing that a manifest holds moves a terminal's cursor", async () => {
  using tree = foreignTree();
  const escape = "\u001b[2J\u009b31m";
  const path = tree.write([{ artifact_id: "a", path: `${escape}f`, params: { [escape]: escape }, version: 1 }], {
    bytes: { [`${escape}f`]: null },
    top: { coffer: { artifacts: [{ artifact_id: "a", version: 1, tags: { note: escape }, description: escape }] } },
  });
  const run = (...args: string[]) => coffer(args, { root: tree.root.at("s"), cwd: tree.root.path });
  const results = [
    await run("manifest", "import", "w"),
    await run("show", "a"),
    await run("verify"),
    await run("get", "a"),
    await run("ls"),
  ];
  expect(results.map(({ code }) => code)).toEqual([3, 0, 1, 1, 0]);
  writeFileSync(path, readFileSync(path, "utf8").replace("path: ", 'path: "/\\e[2J" #'));
  results.push(await run("manifest", "import", "w"));
  for (const { stdout, stderr } of results) expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

test("what a run left in its workspace is copied, so that cleaning up there takes nothing", async () => {
  using root = place();
  const script = 'cp -r w/* "$COFFER_WORKSPACE"; coffer manifest import "$COFFER_WORKSPACE"';
  const env = { PATH: `${dirname(binary())}:${process.env["PATH"]}` };
  const ran = await coffer(["run", "--", "sh", "-c", script], { root: root.at("s"), cwd: root.path, env });
  expect(ran.stderr).toContain("4 files taken into the store");
  rmSync(root.at("s/work"), { recursive: true });
  expect(await root.run("get", STACK, "-o", "copy")).toMatchObject({ code: 0 });
});

test("by --dataset, runs are exported that have artifacts of it", async () => {
  using root = place();
  writeFileSync(root.at("f"), "f");
  const env = { PATH: `${dirname(binary())}:${process.env["PATH"]}` };
  await coffer(["run", "--dataset", "corn", "--", "sh", "-c", "coffer log f --dataset wheat"], { root: root.at("s"), cwd: root.path, env });
  const wheat = await root.run("manifest", "export", "--dataset", "wheat");
  expect(wheat.code).toBe(0);
  expect(Bun.YAML.parse(wheat.stdout)).toMatchObject({ dataset: "corn", coffer: { artifacts: [{ dataset: "wheat" }] } });
  await root.run("log", "f");
  expect(Bun.YAML.parse((await root.run("manifest", "export", "--dataset", "default")).stdout)).toMatchObject({ dataset: "default" });
});

test("a place below a file is an error with what to do, whatever is written there", async () => {
  using root = place();
  await root.run("manifest", "import", "w");
  for (const args of [
    ["get", STACK, "-o"],
    ["get", STACK, "--with-deps", "-o"],
    ["manifest", "export", "4b975cbc", "-o"],
    ["manifest", "export", "4b975cbc", "--with-bytes", "-o"],
    ["backup"],
  ]) {
    const { code, stderr } = await root.run(...args, "w/binaries/corn_m5/model_Ridge_176876318e8f.joblib/inside");
    expect([args, code, stderr]).toEqual([
      args,
      1,
      expect.stringMatching(/could not be written.*\n +hint: name a (?:place|directory) that you may write/),
    ]);
  }
});
