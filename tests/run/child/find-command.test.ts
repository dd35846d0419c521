import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { CofferError } from "../../../src/domain/error.ts";
import { findCommand } from "../../../src/run/child/find-command.ts";
import { scratch } from "../wrapped.ts";

function fault(command: string[], cwd: string, path?: string): string {
  try {
    return findCommand(command, cwd, { PATH: path }) ?? "undefined";
  } catch (error) {
    return error instanceof CofferError ? `${error.code}: ${error.message}` : String(error);
  }
}

test("a name is looked up in PATH, a path is taken from the working directory", () => {
  using directory = scratch();
  mkdirSync(directory.at("bin"));
  writeFileSync(directory.at("bin", "tool"), "#!/bin/sh\n", { mode: 0o755 });
  expect(fault(["tool"], directory.path, `/nowhere:${directory.at("bin")}`)).toBe(directory.at("bin", "tool"));
  expect(fault(["bin/tool"], directory.path)).toBe(directory.at("bin", "tool"));
  expect(fault(["tool"], directory.at("bin"), "/nowhere:")).toBe(directory.at("bin", "tool"));
  expect(fault(["sh"], directory.path)).toMatch(/\/sh$/);
});

test("what cannot start is told apart before anything is started", () => {
  using directory = scratch();
  mkdirSync(directory.at("folder"));
  writeFileSync(directory.at("plain"), "x");
  writeFileSync(directory.at("odd"), "#!/no/such/python -u\n", { mode: 0o755 });
  expect(fault(["missing"], directory.path, directory.path)).toBe("COMMAND_NOT_FOUND: command not found: missing");
  expect(fault(["./missing"], directory.path)).toBe("COMMAND_NOT_FOUND: command not found: ./missing");
  expect(fault(["plain/x"], directory.path)).toBe("COMMAND_NOT_FOUND: command not found: plain/x");
  expect(fault([""], directory.path)).toBe("COMMAND_NOT_FOUND: the command is empty");
  expect(fault(["./plain"], directory.path)).toBe("NOT_EXECUTABLE: cannot run ./plain: it is not executable");
  expect(fault(["plain"], directory.path, directory.path)).toBe("NOT_EXECUTABLE: cannot run plain: it is not executable");
  expect(fault(["./folder"], directory.path)).toBe("NOT_EXECUTABLE: cannot run ./folder: it is a directory");
  expect(fault(["./odd"], directory.path)).toBe("COMMAND_NOT_FOUND: cannot run ./odd: its interpreter /no/such/python does not exist");
  expect(fault(["sh"], directory.at("gone"))).toBe(`PATH_INVALID: the working directory is gone: ${directory.at("gone")}`);
});

test("a file that is executable, but not readable, is found", () => {
  using directory = scratch();
  writeFileSync(directory.at("secret"), "#!/bin/sh\n");
  chmodSync(directory.at("secret"), 0o111);
  expect(fault(["./secret"], directory.path)).toBe(directory.at("secret"));
});
