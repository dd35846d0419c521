import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readCodeState } from "../../../src/run/code/code-state.ts";
import type { CodeState } from "../../../src/run/code/code-state.ts";
import { git } from "../../support/git.ts";
import { scratch } from "../wrapped.ts";

type Options = Parameters<typeof readCodeState>[0];

/** A repository with a commit, and what is needed around it. */
function repository(files: Record<string, string> = { "train.py": "print(1)\n" }) {
  const directory = scratch();
  const top = directory.at("top");
  const repo = {
    ...directory,
    top,
    git: (...words: string[]): string => git(top, ...words),
    write(path: string, text: string | Buffer): void {
      mkdirSync(dirname(`${top}/${path}`), { recursive: true });
      writeFileSync(`${top}/${path}`, text);
    },
    state: (options: Partial<Options> = {}): Promise<CodeState> =>
      readCodeState({
        cwd: top,
        env: { PATH: process.env["PATH"], ...ISOLATED },
        captureTo: directory.at("code.tar"),
        exclude: [],
        ...options,
      }),
    /** The captured members and their text. */
    captured(): Record<string, string> {
      const list = Bun.spawnSync(["tar", "tf", directory.at("code.tar")])
        .stdout.toString()
        .trim()
        .split("\n");
      return Object.fromEntries(
        list.map((name) => [name, Bun.spawnSync(["tar", "xOf", directory.at("code.tar"), name]).stdout.toString("latin1")]),
      );
    },
    [Symbol.dispose]: directory[Symbol.dispose],
  };
  mkdirSync(top);
  repo.git("init", "-q", "-b", "main");
  for (const [path, text] of Object.entries(files)) repo.write(path, text);
  if (Object.keys(files).length > 0) {
    repo.git("add", "-A");
    repo.git("commit", "-qm", "first");
  }
  return repo;
}

const ISOLATED = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", HOME: "/nonexistent" };

test("a clean tree is its commit, branch and remote, without anybody's password", async () => {
  using repo = repository();
  repo.git("remote", "add", "other", "git@github.com:me/other.git");
  repo.git("remote", "add", "origin", "https://me:secret@example.org/me/code.git");
  mkdirSync(`${repo.top}/sub`);
  expect(await repo.state({ cwd: `${repo.top}/sub` })).toEqual({
    commit: repo.git("rev-parse", "HEAD"),
    branch: "main",
    remote: "https://example.org/me/code.git",
    dirty: false,
    capture: null,
    skipped: [],
    reason: null,
  });
  repo.git("config", "branch.main.remote", "other");
  repo.git("config", "branch.main.merge", "refs/heads/main");
  expect((await repo.state()).remote).toBe("github.com:me/other.git");
});

test("a detached head has no branch", async () => {
  using repo = repository();
  repo.git("checkout", "-q", "--detach");
  expect((await repo.state()).branch).toBeNull();
});

test("changes and untracked files are captured so that the tree can be made again", async () => {
  using repo = repository({ "train.py": "print(1)\n", "old name.py": "same\n".repeat(20), "bin.dat": "\0\x01\x02", "gone.py": "x\n" });
  repo.write("train.py", "print(2)\n");
  repo.write("bin.dat", Buffer.from([0, 255, 254, 10, 0]));
  repo.git("mv", "old name.py", "new näme.py");
  rmSync(`${repo.top}/gone.py`);
  repo.write("new/deep/notes.md", "n");
  repo.write(`long/${"d".repeat(90)}/${"f".repeat(90)}.py`, "long");
  repo.write("run.sh", "#!/bin/sh\n");
  chmodSync(`${repo.top}/run.sh`, 0o755);
  symlinkSync("train.py", `${repo.top}/link`);
  repo.write(".gitignore", "*.ignored\n");
  repo.write("new/x.ignored", "i");
  const state = await repo.state();
  expect(state).toMatchObject({ dirty: true, skipped: [], reason: null, capture: { truncated: false, path: repo.at("code.tar") } });
  expect(state.capture?.size).toBe(readFileSync(repo.at("code.tar")).length);

  repo.git("clone", "-q", repo.top, repo.at("again"));
  Bun.spawnSync(["tar", "xf", repo.at("code.tar")], { cwd: repo.path });
  expect(Bun.spawnSync(["git", "apply", repo.at("changes.patch")], { cwd: repo.at("again") }).exitCode).toBe(0);
  Bun.spawnSync(["cp", "-a", `${repo.at("untracked")}/.`, repo.at("again")]);
  rmSync(`${repo.top}/new/x.ignored`);
  expect(Bun.spawnSync(["diff", "-r", "--no-dereference", "--exclude=.git", repo.top, repo.at("again")]).stdout.toString()).toBe("");
  expect(Bun.spawnSync([`${repo.at("again")}/run.sh`]).exitCode).toBe(0);
});

test("the same state gives the same bytes", async () => {
  using repo = repository();
  repo.write("new.py", "1");
  await repo.state();
  const first = readFileSync(repo.at("code.tar"));
  Bun.spawnSync(["touch", "-d", "2001-01-01", `${repo.top}/new.py`]);
  await repo.state({ captureTo: repo.at("again.tar") });
  expect(readFileSync(repo.at("again.tar")).equals(first)).toBe(true);
});

test("key files and secrets are never captured, tracked or not, and each is told", async () => {
  using repo = repository({ "config/.env": "A=1\n", "train.py": "print(1)\n", "keys.py": "k = 1\n" });
  repo.write("config/.env", "A=hidden-one\n");
  repo.write("train.py", "print(2)\n");
  repo.write("keys.py", "k = 'env-secret-value'\n");
  repo.write(".env.local", "B=hidden-two");
  repo.write("deploy/id_rsa", "hidden-three");
  repo.write("server.pem", "hidden-four");
  repo.write("dump.txt", "-----BEGIN OPENSSH PRIVATE KEY-----\nhidden-five");
  repo.write("shell.log", "export T=env-secret-value");
  repo.write(".env.example", "A=");
  const state = await repo.state({ env: { PATH: process.env["PATH"], ...ISOLATED, HF_TOKEN: "env-secret-value" } });
  expect(state.skipped.map(({ path }) => path).sort()).toEqual([
    ".env.local",
    "config/.env",
    "deploy/id_rsa",
    "dump.txt",
    "keys.py",
    "server.pem",
    "shell.log",
  ]);
  expect(Object.keys(repo.captured()).sort()).toEqual(["changes.patch", "untracked/.env.example"]);
  expect(repo.captured()["changes.patch"]).toContain("+print(2)");
  const all = readFileSync(repo.at("code.tar"), "latin1");
  expect(all).not.toContain("hidden");
  expect(all).not.toContain("env-secret-value");
});

test("what is large stays out and is told, and all of it stays below the limit", async () => {
  using repo = repository({ "data.csv": "1\n", "train.py": "print(1)\n" });
  repo.write("data.csv", "x\n".repeat(1_000_000));
  repo.write("weights.bin", Buffer.alloc(5000));
  repo.write("a.txt", "a".repeat(600));
  repo.write("b.txt", "b".repeat(600));
  const state = await repo.state({ maxFileBytes: 2000, maxBytes: 1000 });
  expect(state.skipped).toEqual([
    { path: "data.csv", why: "it is large (1.9 MiB)" },
    { path: "b.txt", why: "there was no room left for it (600 B)" },
    { path: "weights.bin", why: "it is large (4.9 KiB)" },
  ]);
  expect(state.capture?.truncated).toBe(true);
  expect(Object.keys(repo.captured())).toEqual(["untracked/a.txt"]);
});

test("a patch beyond the limit is cut and says so", async () => {
  using repo = repository();
  repo.write("train.py", "print(2)\n".repeat(1000));
  const state = await repo.state({ maxBytes: 1000 });
  expect(state.capture?.truncated).toBe(true);
  expect(repo.captured()["changes.cut.patch"]).toHaveLength(1000);
  expect(state.skipped).toEqual([{ path: "changes.patch", why: "only its first 1000 B were kept" }]);
});

test("no more than a thousand files are captured", async () => {
  using repo = repository();
  for (let n = 0; n < 1005; n++) repo.write(`many/${n}`, "");
  const state = await repo.state();
  const names = Bun.spawnSync(["tar", "tf", repo.at("code.tar")])
    .stdout.toString()
    .trim()
    .split("\n");
  expect(names).toHaveLength(1000);
  expect(state.skipped).toEqual([{ path: "5 more files", why: "at most 1000 are captured" }]);
});

test("the store inside the repository is neither captured nor a change", async () => {
  using repo = repository();
  repo.write("artifacts/coffer.db", "x");
  expect(await repo.state({ exclude: [`${repo.top}/artifacts`] })).toMatchObject({ dirty: false, capture: null, reason: null });
  repo.write("out/artifacts/coffer.db", "x");
  const exclude = [`${repo.top}/artifacts`, `${repo.top}/out/artifacts`, "/elsewhere"];
  expect(await repo.state({ exclude })).toMatchObject({ dirty: false, capture: null, reason: null });
  repo.write("out/notes.md", "x");
  expect(await repo.state({ exclude })).toMatchObject({ dirty: true, skipped: [] });
  expect(Object.keys(repo.captured())).toEqual(["untracked/out/notes.md"]);
});

test("a repository without commits is captured whole", async () => {
  using repo = repository({});
  repo.write("a.py", "1");
  repo.write("b.py", "2");
  repo.git("add", "a.py");
  expect(await repo.state()).toMatchObject({ commit: null, branch: "main", dirty: true, reason: null });
  expect(repo.captured()).toEqual({ "untracked/a.py": "1", "untracked/b.py": "2" });
});

test("a repository inside the repository is told, not captured", async () => {
  using repo = repository();
  repo.write("inner/x", "1");
  Bun.spawnSync(["git", "init", "-q"], { cwd: `${repo.top}/inner` });
  const { skipped, capture } = await repo.state();
  expect([skipped, capture]).toEqual([[{ path: "inner/", why: "it is a repository of its own" }], null]);
});

test("GIT_DIR and GIT_WORK_TREE are heeded", async () => {
  using repo = repository();
  const { commit } = await repo.state({
    cwd: repo.path,
    env: { PATH: process.env["PATH"], ...ISOLATED, GIT_DIR: `${repo.top}/.git`, GIT_WORK_TREE: repo.top },
  });
  expect(commit).toBe(repo.git("rev-parse", "HEAD"));
});

test("without a repository, without git, with a broken or a foreign one, the reason is told", async () => {
  using repo = repository();
  expect((await repo.state({ cwd: repo.path })).reason).toBe("no git repository");
  expect((await repo.state({ env: { PATH: repo.path } })).reason).toBe("git is not installed");
  writeFileSync(repo.at("git"), "#!/bin/sh\nexec /bin/sleep 300\n", { mode: 0o755 });
  expect((await repo.state({ env: { PATH: repo.path }, timeoutMs: 20 })).reason).toBe("git took too long");
  if (process.getuid?.() === 0) {
    Bun.spawnSync(["chown", "-R", "65534:65534", repo.top]);
    expect((await repo.state()).reason).toStartWith("git does not trust this repository");
    Bun.spawnSync(["chown", "-R", "0:0", repo.top]);
  }
  rmSync(`${repo.top}/.git/HEAD`);
  expect((await repo.state()).reason).toBe("no git repository");
  expect(existsSync(repo.at("code.tar"))).toBe(false);
});

test("reading the state changes nothing in the repository", async () => {
  using repo = repository();
  Bun.spawnSync(["touch", "-d", "2001-01-01", `${repo.top}/train.py`]);
  const index = readFileSync(`${repo.top}/.git/index`);
  await repo.state();
  expect(readFileSync(`${repo.top}/.git/index`).equals(index)).toBe(true);
});
