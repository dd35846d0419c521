import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { expect, test } from "bun:test";
import type { spelledOut } from "../../src/cli/gc/document.ts";
import type { Swept } from "../../src/gc/apply/swept.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { binary } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const mounted = needsMount(test);
const FILL =
  "cd $W; mkdir -p out/deep .tmp; echo model >out/model; echo x >out/deep/x; echo top >top; echo junk >.tmp/junk; ln -s out/model best";

async function workspaceOf(here: Place, script = FILL, flags: readonly string[] = []): Promise<string> {
  const result = await here.run(`echo $W >${here.at("w")}; ${script}`, flags);
  expect([result.code, result.stderr]).toEqual([0, expect.not.stringContaining("error")]);
  return readFileSync(here.at("w"), "utf8").trim();
}

/** What keeps each workspace that stays. */
async function collect(here: Place): Promise<string[]> {
  const { applied, kept } = (await here.coffer(["gc", "--workspaces", "--grace", "0", "--apply", "--json"])).json<
    ReturnType<typeof spelledOut> & { applied: Swept }
  >();
  expect([applied.failed, applied.stayed]).toEqual([[], []]);
  return kept.map(({ because }) => because);
}

function old(path: string): void {
  utimesSync(path, 1000, 1000);
}

test("a workspace goes when all of it is stored or was left out by its run's own rules", async () => {
  using here = place();
  const all = await workspaceOf(here);
  const named = await workspaceOf(here, FILL, ["--output", "out/model"]);
  const ignoring = await workspaceOf(here, FILL, ["--ignore", "deep", "--ignore", "top"]);
  expect(await collect(here)).toEqual([]);
  expect([all, named, ignoring].filter((path) => existsSync(path))).toEqual([]);
});

test("whose bytes are those that were stored is no obstacle, although it was touched", async () => {
  using here = place();
  const w = await workspaceOf(here);
  chmodSync(`${w}/out/model`, 0o600);
  utimesSync(`${w}/top`, Date.now() / 1000 + 60, Date.now() / 1000 + 60);
  unlinkSync(`${w}/out/deep/x`);
  writeFileSync(`${w}/out/deep/x`, "x\n");
  expect(await collect(here)).toEqual([]);
  expect(existsSync(w)).toBe(false);
});

test("what a scratch workspace retained goes too: it is stored", async () => {
  using here = place();
  const w = await workspaceOf(here, "cd $W; mkdir d; echo l >d/run.log; echo m >m", ["--policy", "scratch", "--retain", "*.log"]);
  expect(readdirSync(w, { recursive: true }).toSorted()).toEqual(["d", "d/run.log"]);
  expect(await collect(here)).toEqual([]);
  expect(existsSync(w)).toBe(false);
});

test("an output that somebody deleted from the store keeps no workspace", async () => {
  using here = place();
  const w = await workspaceOf(here);
  const { artifacts, id } = await here.shown();
  for (const { path } of artifacts) if (!path.endsWith(".log")) expect((await here.coffer(["rm", `${id}/${path}`])).code).toBe(0);
  expect((await here.coffer(["gc", "--grace", "0", "--apply"])).code).toBe(0);
  expect(await collect(here)).toEqual([]);
  expect(existsSync(w)).toBe(false);
});

test("what the script logged out of its workspace is stored too: files, directories, named ones and checkpoints", async () => {
  using here = place();
  const coffer = `${binary()} log --quiet`;
  const w = await workspaceOf(
    here,
    `cd $W; echo a >a.txt; mkdir -p d/e ckpt; echo x >d/e/x; echo n >n; echo s >ckpt/state.pt; echo t >ckpt/events.tmp; echo again >again
     ${coffer} a.txt; ${coffer} d; ${coffer} n --name n; ${coffer} --stage training --checkpoint ckpt; ${coffer} again; echo other bytes >again`,
  );
  expect(await collect(here)).toEqual([]);
  expect(existsSync(w)).toBe(false);
});

test("a file with the path of something that was logged from elsewhere goes only if it has the same bytes", async () => {
  using here = place();
  here.write("else", "stored");
  const w = await workspaceOf(here, "true");
  const { id } = await here.shown();
  expect((await here.coffer(["log", "else", "--as", "notes", "--run", id])).code).toBe(0);
  writeFileSync(`${w}/notes`, "unique");
  expect(await collect(here)).toEqual([expect.stringContaining("notes came or changed after the run had ended")]);
  writeFileSync(`${w}/notes`, "stored");
  expect(await collect(here)).toEqual([]);
  expect(existsSync(w)).toBe(false);
});

test("an empty workspace goes, whatever its run lacks; what else it holds does not", async () => {
  using here = place();
  const script = (fill: string) => here.run(`echo $W >${here.at("w")}; ${fill}`, ["--register", "m=gone.pt"]);
  const lacking = await script("true");
  expect(lacking.stderr).toContain("m got no new version");
  const empty = readFileSync(here.at("w"), "utf8").trim();
  await script("echo x >$W/x");
  const full = readFileSync(here.at("w"), "utf8").trim();
  expect(await collect(here)).toEqual(["something in it could not be stored"]);
  expect([existsSync(empty), existsSync(full)]).toEqual([false, true]);
});

const precious: [what: string, put: (here: Place, w: string) => void, path: string][] = [
  ["a new file with an old time", (_, w) => (writeFileSync(`${w}/notes`, "n"), old(`${w}/notes`)), "notes"],
  [
    "a file that was moved in",
    (here, w) => {
      here.write("notes", "n");
      old(here.at("notes"));
      renameSync(here.at("notes"), `${w}/out/notes`);
    },
    "out/notes",
  ],
  [
    "an output that was replaced by one of its size and time",
    (here, w) => {
      here.write("model", "other");
      writeFileSync(here.at("model"), "MODEL\n");
      old(here.at("model"));
      renameSync(here.at("model"), `${w}/out/model`);
    },
    "out/model",
  ],
  [
    "a directory that was swapped for one of its shape",
    (_, w) => {
      renameSync(`${w}/out`, `${w}-away`);
      mkdirSync(`${w}-other/deep`, { recursive: true });
      writeFileSync(`${w}-other/model`, "MODEL\n");
      writeFileSync(`${w}-other/deep/x`, "x\n");
      renameSync(`${w}-other`, `${w}/out`);
    },
    "out/model",
  ],
  ["a file below what the rules leave out", (_, w) => (writeFileSync(`${w}/.tmp/later`, "l"), old(`${w}/.tmp/later`)), ".tmp"],
  ["a link", (_, w) => symlinkSync("somewhere", `${w}/out/link`), "out/link"],
  [
    "a directory of links that was moved in",
    (here, w) => {
      here.write("links/.keep", "");
      unlinkSync(here.at("links/.keep"));
      symlinkSync("/data/1", here.at("links/1"));
      renameSync(here.at("links"), `${w}/links`);
    },
    "links/1",
  ],
  ["an empty directory", (_, w) => mkdirSync(`${w}/out/begun`), "out/begun/"],
  ["an output that grew", (_, w) => (writeFileSync(`${w}/top`, "more than before"), old(`${w}/top`)), "top"],
];
for (const [what, put, path] of precious)
  test(`${what}, after the end of the run, keeps the workspace`, async () => {
    using here = place();
    const w = await workspaceOf(here);
    put(here, w);
    const before = readdirSync(w, { recursive: true }).toSorted();
    expect(await collect(here)).toEqual([expect.stringMatching(new RegExp(`^${path}.* came or changed after the run had ended`))]);
    expect(readdirSync(w, { recursive: true }).toSorted()).toEqual(before);
  });

mounted("what is mounted in a workspace is not emptied, by gc or at the end of a scratch run", async () => {
  using here = place();
  here.write("bound/data", "precious");
  const bind = (to: string): Disposable => {
    mkdirSync(to, { recursive: true });
    expect(Bun.spawnSync(["mount", "--bind", here.at("bound"), to]).exitCode).toBe(0);
    return { [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", to]) };
  };
  const w = await workspaceOf(here, "cd $W; echo m >m; mkdir d");
  {
    using _bound = bind(`${w}/d`);
    expect(await collect(here)).toEqual(["something is mounted at d"]);
  }
  {
    using _disk = mountSmall(`${w}/d`, "64k");
    writeFileSync(`${w}/d/data`, "precious");
    expect(await collect(here)).toEqual(["something is mounted at d"]);
    expect(readFileSync(`${w}/d/data`, "utf8")).toBe("precious");
  }
  const script = `cd $W; echo m >m; mkdir 'a b'; mount --bind ${here.at("bound")} 'a b'`;
  const scratch = await workspaceOf(here, script, ["--policy", "scratch"]);
  using _left = { [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", `${scratch}/a b`]) };
  expect(readdirSync(scratch)).toEqual(["a b"]);
  expect(readFileSync(here.at("bound/data"), "utf8")).toBe("precious");
});

test("a link in the place of the directory of workspaces is not followed", async () => {
  using here = place();
  const w = await workspaceOf(here);
  const runs = `${here.root}/work/runs`;
  renameSync(runs, here.at("elsewhere"));
  symlinkSync(here.at("elsewhere"), runs);
  expect(await collect(here)).toEqual([`${runs} is a link, which is not followed`]);
  expect(existsSync(`${w}/out/model`)).toBe(true);
});
