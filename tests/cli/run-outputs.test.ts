import { expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { binary } from "../support/coffer.ts";
import { events, paths, place } from "./run-place.ts";

const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

test("each top-level file and each top-level directory of the workspace becomes an artifact of the run, with its mode and content", async () => {
  using here = place();
  await here.run(
    "cd $W; echo a >model.pt; printf '#!/bin/sh\\n' >go.sh; chmod 755 go.sh; mkdir -p plots/deep empty; echo p >plots/deep/p.png; ln -s deep/p.png plots/best.png; echo h >.hidden",
  );
  const run = await here.shown();
  expect(run.artifacts.map(({ path, kind, files, size, name }) => [path, kind, files, size, name]).toSorted()).toEqual(
    [
      [".hidden", "file", 1, 2, null],
      ["empty", "tree", 0, 0, null],
      ["go.sh", "file", 1, 10, null],
      ["model.pt", "file", 1, 2, null],
      ["plots", "tree", 1, 2, null],
    ].toSorted(),
  );
  await here.coffer(["get", `${run.id}/plots`, "-o", "back"]);
  expect((readdirSync(here.at("back"), { recursive: true }) as string[]).toSorted()).toEqual(["best.png", "deep", "deep/p.png"]);
  expect((await here.artifact(`${run.id}/go.sh`)).mode).toBe("0755");
  expect(await here.bytes(`${run.id}/plots/deep/p.png`)).toBe("p\n");
});

test("ignore rules of the configuration and of --ignore leave out, at the top and inside directories", async () => {
  using here = place();
  await here.run("cd $W; mkdir -p .tmp src/__pycache__ cache; touch .tmp/x src/__pycache__/m.pyc src/m.py cache/c a.bak keep", [
    "--ignore",
    "*.bak",
    "--ignore",
    "/cache",
  ]);
  const run = await here.shown();
  expect(paths(run)).toEqual(["keep", "src"]);
  expect((await here.coffer(["show", `${run.id}/src`, "--files"])).stdout).not.toContain(".pyc");
  expect(existsSync(`${run.workspace}/a.bak`)).toBe(true);
});

test("--output keeps only what it names, as units of its own, and says which pattern matched nothing", async () => {
  using here = place();
  const result = await here.run("cd $W; mkdir m; echo a >a; echo b >b; echo 1 >m/1.pt; echo 2 >m/2.pt; echo t >m/notes", [
    "--output",
    "a",
    "--output",
    "m/*.pt",
    "--output",
    "*.onnx",
  ]);
  expect(paths(await here.shown())).toEqual(["a", "m/1.pt", "m/2.pt"]);
  expect(result.stderr).toContain("--output *.onnx matched nothing");
  expect(here.binaries()).toHaveLength(3);
});

test("--register gives an output the next version of a name, also below a directory, several names to one path, and several paths to one name", async () => {
  using here = place();
  const script = "cd $W; mkdir -p ckpt/deep; echo one >model.pt; echo two >ckpt/deep/m.pt";
  await here.run(script, [
    "--register",
    "model=model.pt",
    "--register",
    "inner=./ckpt/deep/m.pt",
    "--register",
    "also=model.pt",
    "--register",
    "all=ckpt/",
  ]);
  await here.run(script, ["--register", "model=model.pt", "--register", "model=ckpt/deep/m.pt"]);
  const names = (await here.coffer(["ls", "--json"]))
    .json<{ artifacts: { name: string | null; version: number; path: string }[] }>()
    .artifacts.filter(({ name }) => name !== null);
  expect(names.map(({ name, version, path }) => `${name}@v${version} ${path}`).toSorted()).toEqual([
    "all@v1 ckpt",
    "also@v1 model.pt",
    "inner@v1 ckpt/deep/m.pt",
    "model@v1 model.pt",
    "model@v2 model.pt",
    "model@v3 ckpt/deep/m.pt",
  ]);
  expect(await here.bytes("model@latest")).toBe("two\n");
  expect(await here.bytes("model@v2")).toBe("one\n");
  // bytes are stored once, under whatever names
  expect(here.binaries().filter((file) => !file.includes("tree"))).toHaveLength(2);
});

test("what --register names and the workspace does not have is told and recorded", async () => {
  using here = place();
  const result = await here.run("echo x >$W/x; ln -s /etc $W/out", ["--register", "m=missing.pt", "--register", "p=out/passwd"]);
  expect(result.code).toBe(0);
  const run = await here.shown();
  expect(events(run, "not-stored").join("\n")).toMatch(/link out of the workspace[^]*missing\.pt[^]*out\/passwd/);
  expect(paths(run)).toEqual(["x"]);
});

test("an output of the same name as coffer's own log keeps its name", async () => {
  using here = place();
  const result = await here.run("echo printed; echo mine >$W/stdout.log");
  const run = await here.shown();
  expect(await here.bytes(`${run.id}/stdout.log`)).toBe("mine\n");
  expect(await here.bytes(`${run.id}/coffer-stdout.log`)).toBe("printed\n");
  expect(result.stderr).toContain("coffer-stdout.log");
});

test("a file that was logged and also lies in the workspace is one artifact; changed later, it is the next version", async () => {
  using here = place();
  const script = (last: string) => `cd $W; echo one >a; coffer log a --metric m=1 >&2; ${last}`;
  expect((await here.run(script("true"), [], WITH_COFFER)).code).toBe(0);
  const same = await here.shown();
  expect(same.artifacts.map(({ path, version }) => `${path} ${version}`).filter((line) => line.startsWith("a "))).toEqual(["a 1"]);
  await here.run(script("echo two >a"), [], WITH_COFFER);
  const changed = await here.shown();
  expect(changed.artifacts.map(({ path, version }) => `${path} ${version}`).filter((line) => line.startsWith("a "))).toEqual([
    "a 1",
    "a 2",
  ]);
  expect(await here.bytes(`${changed.id}/a`)).toBe("two\n");
});

test("a link stands for what it points to inside the workspace; one that leads out is refused, and FIFOs do not block", async () => {
  using here = place();
  here.write("secret", "not yours");
  await here.run(
    `cd $W; echo best >5.pt; ln -s 5.pt best.pt; ln -s ${here.at("secret")} leak; mkfifo pipe; mkdir d; ln -s ${here.at("secret")} d/leak; ln -s gone dangling`,
  );
  const run = await here.shown();
  expect(paths(run)).toEqual(["5.pt", "best.pt", "d"]);
  expect(await here.bytes(`${run.id}/best.pt`)).toBe("best\n");
  expect(
    events(run, "not-stored")
      .toSorted()
      .map((words) => words.split(":")[0]),
  ).toEqual(["d/leak", "leak"]);
  expect(
    events(run, "skipped")
      .toSorted()
      .map((words) => words.split(":")[0]),
  ).toEqual(["dangling", "pipe"]);
  expect((await here.coffer(["show", `${run.id}/d`, "--files"])).stdout).not.toContain("leak");
});

test("a workspace that the command removed is told, and the run stands", async () => {
  using here = place();
  for (const policy of ["separated", "scratch"]) {
    const result = await here.run("rm -r $W; echo said", ["--policy", policy]);
    expect(result.code).toBe(0);
    const run = await here.shown();
    expect([run.state, run.workspace_state, events(run, "skipped")]).toEqual([
      "finished",
      "removed",
      ["the workspace: the command removed it"],
    ]);
    expect(await here.bytes(`${run.id}/stdout.log`)).toBe("said\n");
  }
});

test("a link that the command put in place of its workspace is not followed: nothing outside is stored or removed", async () => {
  using here = place();
  here.write("precious/data", "kept");
  for (const policy of ["separated", "scratch"]) {
    expect((await here.run(`rm -r $W; ln -s ${here.at("precious")} $W`, ["--policy", policy])).code).toBe(0);
    const run = await here.shown();
    expect([paths(run), run.workspace_state]).toEqual([[], "present"]);
    expect(events(run, "not-stored")[0]).toContain("put something else in its place");
  }
  expect(readdirSync(here.at("precious"))).toEqual(["data"]);
});

test.skipIf(process.getuid?.() !== 0)("a file that cannot be read costs only itself", async () => {
  using here = place();
  // root may read all: the store's directory belongs to a user that may not
  chmodSync(here.path, 0o777);
  Bun.spawnSync(["chown", "65534:65534", here.path]);
  const words = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    binary(),
    "run",
    "--policy",
    "scratch",
    "--",
    "sh",
    "-c",
    "cd $COFFER_WORKSPACE; echo a >a; echo b >b; mkdir d e; echo 1 >d/1; echo 2 >d/2; echo 3 >e/3; chmod 000 b d/2 e",
  ];
  const child = Bun.spawn(words, {
    cwd: here.path,
    env: { PATH: process.env["PATH"] ?? "", HOME: here.path, COFFER_ROOT: here.root },
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = await child.stderr.text();
  expect([await child.exited, said]).toEqual([0, said]);
  const run = await here.shown();
  expect(paths(run)).toEqual(["a", "d"]);
  expect(
    events(run, "not-stored")
      .map((event) => event.split(":")[0])
      .toSorted(),
  ).toEqual(["b", "d/2", "e"]);
  expect(said).toContain("the workspace stays");
  expect(readdirSync(run.workspace as string).toSorted()).toEqual(["a", "b", "d", "e"]);
});

test("many small files, whose bytes go into one pack, come back as they were", async () => {
  using here = place();
  await here.run('cd $W; mkdir d; i=0; while [ $i -lt 300 ]; do echo "file $i" >d/$i; echo "top $i" >$i.txt; i=$((i+1)); done');
  const run = await here.shown();
  expect(run.artifacts).toHaveLength(301);
  expect(await here.bytes(`${run.id}/d/299`)).toBe("file 299\n");
  expect(await here.bytes(`${run.id}/7.txt`)).toBe("top 7\n");
  expect(here.binaries().filter((file) => file.includes("packs/"))).toHaveLength(1);
  expect((await here.coffer(["verify"])).code).toBe(0);
});
