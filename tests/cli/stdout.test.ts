import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { binary, cleanEnvironment } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";

/** A command line of a shell, in which `coffer` is the binary. */
function shell(root: TemporaryRoot, line: string): { code: number; stderr: string } {
  const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", line.replace(/^coffer/, '"$0"'), binary()], {
    cwd: root.path,
    env: { ...cleanEnvironment(), COFFER_ROOT: root.at("s") },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  return { code: exitCode, stderr: stderr.toString() };
}

const CALLS = [
  "coffer ls",
  "coffer ls --json",
  "coffer stats --json",
  "coffer gc --json",
  "coffer lineage kept",
  "coffer --version",
  "coffer ls --help",
];

test.each([
  ["a full disk", ">/dev/full", "there is no space left"],
  ["a closed descriptor", ">&-", "it is closed"],
  ["one that is open for reading only", "1</dev/null", "EBADF"],
])("data for %s is an error with 1, and no bug", async (_, to, why) => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "x");
  await done(["log", "f", "--name", "kept"], { root: root.at("s"), cwd: root.path });
  for (const call of CALLS) {
    const { code, stderr } = shell(root, `${call} ${to}`);
    expect([call, code, stderr.includes("standard output cannot be written"), stderr.includes(why), stderr.includes("bug")]).toEqual([
      call,
      1,
      true,
      true,
      false,
    ]);
  }
  // nothing to write, nothing to fail at
  expect(shell(root, `coffer pin kept --quiet ${to}`)).toEqual({ code: 0, stderr: "" });
});

test("a run keeps its child's code, whatever becomes of its own output", () => {
  using root = temporaryRoot();
  for (const to of [">/dev/full", ">&-"]) {
    const { code, stderr } = shell(root, `coffer run --json -- sh -c 'exit 7' ${to}`);
    expect([to, code]).toEqual([to, 7]);
    expect(stderr).toContain("the run cannot be shown: standard output cannot be written");
  }
});

test("/dev/null takes all of it", () => {
  using root = temporaryRoot();
  for (const to of [">/dev/null", "<>/dev/null 1>&0"]) expect(shell(root, `coffer --version ${to}`)).toEqual({ code: 0, stderr: "" });
});
