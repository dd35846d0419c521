import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { git } from "../support/git.ts";
import { events, place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

function repository(here: Place): void {
  git(here.path, "init", "-q", "-b", "main");
  here.write("train.py", "print(1)\n");
  here.write(".gitignore", "artifacts\n");
  git(here.path, "add", "-A");
  git(here.path, "commit", "-q", "-m", "first");
}

test("commit, branch and remote of the code are recorded, without the remote's password", async () => {
  using here = place();
  repository(here);
  git(here.path, "remote", "add", "origin", "https://me:hunter2000@example.org/repo.git");
  await here.run("true");
  const run = await here.shown();
  expect(run.code).toEqual({
    commit: git(here.path, "rev-parse", "HEAD"),
    branch: "main",
    remote: "https://example.org/repo.git",
    dirty: false,
  });
  expect(run.artifacts).toEqual([]);
});

test("what differs from the commit is kept as code.tar: the diff and untracked files, never keys", async () => {
  using here = place();
  repository(here);
  here.write("train.py", "print(2)\n");
  here.write("new/module.py", "x = 1\n");
  here.write(".env", "TOKEN=abc\n");
  here.write("id_rsa", "key\n");
  here.write("holds.txt", "the password is sesame-open-now\n");
  const result = await here.run("true", [], { env: { DB_PASSWORD: "sesame-open-now" } });
  const run = await here.shown();
  expect(run.code.dirty).toBe(true);
  const code = await here.artifact(`${run.id}/code.tar`);
  expect(code.role).toBe("code");
  const tar = (await here.coffer(["get", code.id])).stdout.trim();
  const listed = Bun.spawnSync(["tar", "tf", tar]).stdout.toString().trim().split("\n");
  expect(listed).toEqual(["changes.patch", "untracked/new/module.py"]);
  expect(Bun.spawnSync(["tar", "xOf", tar, "changes.patch"]).stdout.toString()).toContain("+print(2)");
  for (const name of [".env", "id_rsa", "holds.txt"]) {
    expect(result.stderr).toContain(`not captured with the code: ${name}`);
    expect(events(run, "note").join("\n")).toContain(name);
  }
});

test("the code is captured as it was before the command ran", async () => {
  using here = place();
  repository(here);
  await here.run("echo changed >train.py; git add -A; git -c user.name=t -c user.email=t@e commit -qm second");
  const run = await here.shown();
  expect([run.code.dirty, run.code.commit]).toEqual([false, git(here.path, "rev-parse", "HEAD~1")]);
});

test("a workspace and a store inside the repository are no changes of it", async () => {
  using here = place();
  repository(here);
  here.write(".gitignore", "");
  git(here.path, "commit", "-qam", "artifacts are not ignored");
  for (let round = 0; round < 2; round++) await here.run("echo out >$W/out");
  expect((await here.shown()).code.dirty).toBe(false);
});

test("a failing run keeps the code it ran", async () => {
  using here = place();
  repository(here);
  here.write("train.py", "raise\n");
  await here.run("exit 1");
  expect((await here.shown()).artifacts.map(({ path, state }) => `${path} ${state}`)).toEqual(["code.tar live"]);
});

test("no repository, no git, and a broken repository cost nothing", async () => {
  using here = place();
  expect((await here.run("true")).stderr).not.toContain("warning");
  mkdirSync(here.at(".git"));
  const broken = await here.run("exit 3");
  expect([broken.code, (await here.shown()).code.commit]).toEqual([3, null]);
  const bin = here.write("bin/true", "#!/bin/sh\nexit 0\n", 0o755).replace(/\/true$/, "");
  const without = await here.coffer(["run", "--", "true"], { env: { PATH: bin } });
  expect([without.code, without.stderr]).toEqual([0, expect.stringContaining("git is not installed")]);
});
