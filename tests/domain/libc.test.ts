import { expect, test } from "bun:test";
import { openLibc } from "../../src/domain/libc.ts";

test.skipIf(process.platform !== "linux")("a function of the C library answers, and one that it does not have is told of", () => {
  expect(openLibc({ getpid: { args: [], returns: "int" } }).symbols.getpid()).toBe(process.pid);
  expect(() => openLibc({ no_such_function: { args: [], returns: "int" } })).toThrow("no_such_function");
});
