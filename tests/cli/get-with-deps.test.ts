import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { binary } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

interface Got {
  id: string;
  path: string;
  order: { ref: string; path: string }[];
  gone: string[];
}

/** raw ← left, right ← top; left and right are files of one name. */
async function diamond(): Promise<Place> {
  const here = place();
  const log = async (path: string, name: string, ...refs: string[]): Promise<void> => {
    here.write(path, name);
    const result = await here.coffer(["log", path, "--name", name, ...refs.flatMap((ref) => ["--depends-on", ref])]);
    expect(result.code).toBe(0);
  };
  await log("raw.csv", "raw");
  await log("left/model.bin", "left", "raw");
  await log("right/model.bin", "right", "data=raw");
  here.write("top/deep/file", "top");
  await here.coffer(["log", "top", "--name", "top", "--depends-on", "model=right", "--depends-on", "left"]);
  return here;
}

test("what an artifact was made from comes first, each once, in the order in which it was named", async () => {
  using here = await diamond();
  const { stdout } = await here.coffer(["get", "top", "--with-deps"]);
  const paths = stdout.trimEnd().split("\n");
  expect(paths.slice(0, -1).map((path) => readFileSync(path, "utf8"))).toEqual(["raw", "right", "left"]);
  expect(readFileSync(`${paths.at(-1)}/deep/file`, "utf8")).toBe("top");
  expect((await here.artifact("top")).dependencies.map(({ ref, role }) => [ref, role])).toEqual([
    ["right@v1", "model"],
    ["left@v1", "input"],
  ]);
});

test("with -o all of it is written into a new directory, under names of their own", async () => {
  using here = await diamond();
  const got = (await here.coffer(["get", "top", "--with-deps", "-o", "all", "--json"])).json<Got>();
  expect(got.order.map(({ ref, path }) => [ref, path])).toEqual([
    ["raw@v1", here.at("all/raw.csv")],
    ["right@v1", here.at("all/model.bin")],
    ["left@v1", here.at("all/model-2.bin")],
    ["top@v1", here.at("all/top")],
  ]);
  expect([got.path, readdirSync(here.at("all")).toSorted(), readFileSync(here.at("all/top/deep/file"), "utf8")]).toEqual([
    here.at("all/top"),
    ["model-2.bin", "model.bin", "raw.csv", "top"],
    "top",
  ]);
  expect((await here.coffer(["get", "top", "--with-deps", "-o", "all"])).code).toBe(5);
  expect((await here.coffer(["get", "raw", "--with-deps", "-o", "one"])).stdout).toBe(`${here.at("one/raw.csv")}\n`);
});

test("what was deleted is told and left out, with exit code 3", async () => {
  using here = await diamond();
  const id = (await here.artifact("right")).id;
  using db = new Database(`${here.root}/coffer.db`);
  db.run("UPDATE artifacts SET state = 'deleted', blob = NULL WHERE name = 'right'");
  const result = await here.coffer(["get", "top", "--with-deps", "-o", "all", "--json"]);
  const got = result.json<Got>();
  expect([result.code, got.order.map(({ ref }) => ref), got.gone]).toEqual([3, ["raw@v1", "left@v1", "top@v1"], [id]]);
  expect(result.stderr).toContain(`${id} was deleted and is left out`);
});

test("inside a run all of it becomes the run's input", async () => {
  using here = await diamond();
  await here.run("coffer get left --with-deps >$W/paths", [], { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } });
  const run = await here.shown();
  expect(run.inputs.map(({ artifact }) => artifact?.split("/")[1])).toEqual(["raw.csv", "model.bin"]);
});

test("what follows from a run's inputs is among it", async () => {
  using here = await diamond();
  await here.run("echo made >$W/made", ["--input", "left@v1", "--register", "made=made"]);
  const got = (await here.coffer(["get", "made", "--with-deps", "--json"])).json<Got>();
  expect(got.order.map(({ ref }) => ref)).toEqual(["raw@v1", "left@v1", "made@v1"]);
});

test("all references that mean nothing are named, each once, and nothing is stored", async () => {
  using here = await diamond();
  here.write("x", "x");
  const before = here.binaries();
  const { code, stderr } = await here.coffer([
    "log",
    "x",
    "--name",
    "x",
    "--json",
    ..."nope,a=nope,raw,b=c=d,left@v9".split(",").flatMap((ref) => ["--depends-on", ref]),
  ]);
  expect([code, JSON.parse(stderr)]).toMatchObject([
    4,
    { code: "DEPENDENCY_MISSING", message: "there are no such artifacts: --depends-on nope, --depends-on c=d, --depends-on left@v9" },
  ]);
  expect([(await here.coffer(["show", "x"])).code, here.binaries()]).toEqual([4, before]);
});

test("a reference with an equals sign is tried as it stands before it is taken for a role", async () => {
  using here = place();
  here.write("lr=0.1", "x");
  here.write("y", "y");
  await here.coffer(["log", "lr=0.1", "--name", "lr=0.1"]);
  await here.coffer(["log", "y", "--name", "y", "--depends-on", "lr=0.1", "--depends-on", "config=lr=0.1"]);
  expect((await here.artifact("y")).dependencies.map(({ ref, role }) => [ref, role])).toEqual([
    ["lr=0.1@v1", "input"],
    ["lr=0.1@v1", "config"],
  ]);
});
