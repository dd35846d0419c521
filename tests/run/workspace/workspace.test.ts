import { expect, test } from "bun:test";
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { CofferError } from "../../../src/domain/error.ts";
import { makeWorkspace } from "../../../src/run/workspace/workspace.ts";
import { scratch } from "../wrapped.ts";

function code(action: () => unknown): string {
  try {
    action();
    return "done";
  } catch (error) {
    return error instanceof CofferError ? error.code : String(error);
  }
}

test("a workspace is <root>/runs/<run id>, readable whatever the umask says", () => {
  using directory = scratch();
  const before = process.umask(0o077);
  const workspace = makeWorkspace(directory.at("work"), "run-1");
  process.umask(before);
  expect(workspace).toBe(directory.at("work", "runs", "run-1"));
  expect(statSync(workspace).mode & 0o777).toBe(0o755);
});

test("no run gets the workspace of another", () => {
  using directory = scratch();
  makeWorkspace(directory.path, "run-1");
  expect(code(() => makeWorkspace(directory.path, "run-1"))).toBe("PATH_INVALID");
});

test("the root may be a link, what lies below may not", () => {
  using directory = scratch();
  mkdirSync(directory.at("elsewhere"));
  symlinkSync("elsewhere", directory.at("root"));
  expect(existsSync(makeWorkspace(directory.at("root"), "run-1"))).toBe(true);
  mkdirSync(directory.at("other"));
  symlinkSync("../elsewhere", directory.at("other", "runs"));
  expect(code(() => makeWorkspace(directory.at("other"), "run-2"))).toBe("PATH_INVALID");
  expect(existsSync(directory.at("elsewhere", "run-2"))).toBe(false);
  symlinkSync("..", directory.at("elsewhere", "runs", "run-3"));
  expect(code(() => makeWorkspace(directory.at("root"), "run-3"))).toBe("PATH_INVALID");
});

test("a root that is a file is refused with what to do", () => {
  using directory = scratch();
  writeFileSync(directory.at("file"), "");
  expect(code(() => makeWorkspace(directory.at("file"), "run-1"))).toBe("STORE_UNUSABLE");
});
