import { expect, test } from "bun:test";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";

const at = (root: TemporaryRoot) => ({ root: root.at("s"), cwd: root.path });

function makeData(root: TemporaryRoot, count = 3): void {
  mkdirSync(root.at("data/deep"), { recursive: true });
  mkdirSync(root.at("data/empty"));
  for (let i = 0; i < count; i++) writeFileSync(root.at("data/deep", `${i}`), `file ${i}`);
  writeFileSync(root.at("data/run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  chmodSync(root.at("data/run.sh"), 0o755);
  symlinkSync("deep/0", root.at("data/link"));
}

test("get prints a path with the bytes, and nothing else on stdout", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f.txt"), "bytes");
  await done(["log", "f.txt", "--name", "n"], at(root));
  const { stdout, stderr } = await done(["get", "n"], at(root));
  expect([readFileSync(stdout.trimEnd(), "utf8"), stdout.endsWith(".txt\n"), stderr]).toEqual(["bytes", true, ""]);
  expect((await done(["get", "n@v1", "--json"], at(root))).json()).toEqual({
    schema: "coffer.get/1",
    id: expect.stringMatching(/\/f\.txt$/),
    path: stdout.trimEnd(),
    digest: expect.stringMatching(/^blake3:/),
    size: 5,
  });
});

test.each([3, 60])("a directory (%d files in it) comes back as it was, by path and as a copy", async (count) => {
  using root = temporaryRoot();
  makeData(root, count);
  await done(["log", "data", "--name", "d"], at(root));
  const { stdout } = await done(["get", "d"], at(root));
  await done(["get", "d", "-o", "out/copy"], at(root));
  for (const path of [stdout.trimEnd(), root.at("out/copy")]) {
    const same = Bun.spawnSync(["diff", "-r", "--no-dereference", root.at("data"), path]);
    expect([same.exitCode, same.stdout.toString()]).toEqual([0, ""]);
    expect([lstatSync(`${path}/run.sh`).mode & 0o777, lstatSync(`${path}/link`).isSymbolicLink(), readdirSync(`${path}/empty`)]).toEqual([
      0o755,
      true,
      [],
    ]);
  }
});

test("what a run was given after its end is written down with it", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f.txt"), "bytes");
  await done(["log", "f.txt", "--name", "n"], at(root));
  await done(["run", "--", "true"], at(root));
  const [run] = (await done(["runs", "--json"], at(root))).json<{ runs: { id: string }[] }>().runs;
  await done(["get", "n"], { ...at(root), env: { COFFER_RUN_ID: run?.id as string } });
  expect(readFileSync(root.at("s/manifests", `${run?.id}.yaml`), "utf8")).toContain('how: "got"');
  await done(["verify"], at(root));
});

test("-o writes into a directory that is there, under the artifact's own name, and overwrites nothing", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f.txt"), "bytes");
  mkdirSync(root.at("out"));
  await done(["log", "f.txt", "--as", "deep/renamed.txt", "--name", "n"], at(root));
  expect((await done(["get", "n", "-o", "out"], at(root))).stdout).toBe(`${root.at("out/renamed.txt")}\n`);
  expect((await done(["get", "n", "--output=a/b/c"], at(root))).stdout).toBe(`${root.at("a/b/c")}\n`);
  writeFileSync(root.at("out/renamed.txt"), "mine now");
  const again = await coffer(["get", "n", "-o", "out", "--json"], at(root));
  expect([again.code, JSON.parse(again.stderr)]).toMatchObject([5, { code: "PROTECTED", exit: 5 }]);
  expect(readFileSync(root.at("out/renamed.txt"), "utf8")).toBe("mine now");
});

test("a file inside a directory has its own path, size and digest", async () => {
  using root = temporaryRoot();
  makeData(root);
  const { run } = (await done(["log", "data", "--json"], at(root))).json<{ run: string }>();
  writeFileSync(root.at("same"), "file 1");
  const { artifacts } = (await done(["log", "same", "--json"], at(root))).json<{ artifacts: { digest: string }[] }>();
  const got = (await done(["get", `${run}/data/deep/1`, "--json"], at(root))).json<{ path: string; digest: string; size: number }>();
  expect([readFileSync(got.path, "utf8"), got.size, got.digest]).toEqual(["file 1", 6, artifacts[0]?.digest as string]);
  await done(["get", `${run}/data/run.sh`, "-o", "x.sh"], at(root));
  expect(lstatSync(root.at("x.sh")).mode & 0o777).toBe(0o755);
  for (const missing of ["deep", "none", "link", "empty"]) {
    const result = await coffer(["get", `${run}/data/${missing}`, "--json"], at(root));
    expect([missing, result.code, JSON.parse(result.stderr)]).toMatchObject([missing, 4, { code: "NOT_FOUND" }]);
  }
});

test("a flipped byte is found by get, by path and as a copy, and nothing is handed out", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "the true bytes");
  await done(["log", "f", "--name", "n"], at(root));
  const path = (await done(["get", "n"], at(root))).stdout.trimEnd();
  chmodSync(path, 0o644);
  writeFileSync(path, "the fals bytes");
  for (const args of [
    ["get", "n"],
    ["get", "n", "-o", "out"],
  ]) {
    const result = await coffer([...args, "--json"], at(root));
    expect([result.code, result.stdout, JSON.parse(result.stderr)]).toMatchObject([
      1,
      "",
      { code: "CORRUPT", hint: expect.stringContaining("coffer verify") },
    ]);
  }
  expect(existsSync(root.at("out"))).toBe(false);
  // the file is still there, so that logging it again mends the store
  await done(["log", "f", "--name", "n"], at(root));
  expect(readFileSync((await done(["get", "n@v1"], at(root))).stdout.trimEnd(), "utf8")).toBe("the true bytes");
  await done(["verify"], at(root));
});

test("get inside a run makes an input of the run, and an edge from what it produces", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "data");
  await done(["log", "f", "--name", "raw"], at(root));
  const env = { PATH: `${import.meta.dir}/../../dist:${process.env["PATH"] ?? ""}` };
  const script = 'cp "$(coffer get raw)" "$COFFER_WORKSPACE/out"';
  const { id } = (await done(["run", "--json", "--", "sh", "-c", script], { ...at(root), env })).json<{ id: string }>();
  const shown = (await done(["show", id, "--json"], at(root))).json<{ inputs: object[] }>();
  expect(shown.inputs).toMatchObject([{ artifact: expect.stringMatching(/\/f$/), how: "got", changed: false }]);
  expect((await done(["show", `${id}/out`, "--json"], at(root))).json()).toMatchObject({ depends_on: [expect.stringMatching(/\/f$/)] });
});

test("a reader during writes sees an old version or a new one, never half of one", async () => {
  using root = temporaryRoot();
  const write = async (version: number): Promise<void> => {
    writeFileSync(root.at(`v${version}`), String(version % 10).repeat(2 << 20));
    await done(["log", `v${version}`, "--name", "n"], at(root));
  };
  await write(0);
  let writing = true;
  const writer = (async () => {
    for (let version = 1; version < 8; version++) await write(version);
    writing = false;
  })();
  let reads = 0;
  for (; writing; reads++) {
    const text = readFileSync((await done(["get", "n"], at(root))).stdout.trimEnd(), "latin1");
    expect([text.length, text === (text[0] as string).repeat(2 << 20)]).toEqual([2 << 20, true]);
  }
  await writer;
  expect(reads).toBeGreaterThan(3);
});

test("the slow fallback for hashing gives the same store, and a fast one reads it", async () => {
  using root = temporaryRoot();
  makeData(root, 60);
  writeFileSync(root.at("large"), Buffer.alloc(1 << 20, 3));
  // where its add-on cannot be unpacked, the binary hashes with WebAssembly
  const slow = { ...at(root), env: { XDG_CACHE_HOME: "/dev/null/nowhere" } };
  const digests = async (options: typeof slow | ReturnType<typeof at>) =>
    (await done(["log", "data", "large", "--json"], options)).json<{ artifacts: { digest: string }[]; added: { blobs: number } }>();
  const first = await digests(slow);
  const second = await digests(at(root));
  expect(second.artifacts.map(({ digest }) => digest)).toEqual(first.artifacts.map(({ digest }) => digest));
  expect(second.added.blobs).toBe(0);
  for (const options of [slow, at(root)]) expect((await done(["verify"], options)).stderr).toContain("all whole");
});

test("nothing is written where the store keeps its own", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "bytes");
  await done(["log", "f", "--name", "n"], at(root));
  symlinkSync("s/binaries", root.at("link"));
  for (const target of ["s/binaries/default/mine", "link/mine", "s/tmp/x", "s/cache/x", "s/manifests"]) {
    const { code, stderr } = await coffer(["get", "n", "-o", target], at(root));
    expect([target, code, stderr]).toEqual([target, 5, expect.stringContaining("lies inside")]);
  }
  expect((await coffer(["get", "n", "--with-deps", "-o", "s/binaries/all"], at(root))).code).toBe(5);
  await done(["get", "n", "-o", "s/work/mine"], at(root));
});
