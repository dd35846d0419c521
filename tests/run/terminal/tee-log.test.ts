import { expect, test } from "bun:test";
import { closeSync, readFileSync, writeSync } from "node:fs";
import type { LogKeeper } from "../../../src/run/terminal/keep-log.ts";
import { openByFifo, openPipe } from "../../../src/run/terminal/pipe.ts";
import { openTee, teeLog } from "../../../src/run/terminal/tee-log.ts";
import { scratch } from "../wrapped.ts";

test("a pipe is over when nothing is in it and nobody is left who could write", async () => {
  using directory = scratch();
  const pipe = await openPipe(directory.path);
  const seen = [pipe.isOver()];
  writeSync(pipe.write, "x");
  closeSync(pipe.write);
  seen.push(pipe.isOver());
  await Bun.file(pipe.read).slice(0, 1).text();
  seen.push(pipe.isOver());
  closeSync(pipe.read);
  expect(seen).toEqual([false, false, process.platform === "linux"]);
});

const never = new AbortController().signal;

test.skipIf(process.platform !== "linux")("for a command that has ended without a word no keeper is started", async () => {
  using directory = scratch();
  const log = { name: "stdout.log", path: directory.at("stdout.log") } as const;
  const keep = (): never => {
    throw new Error("a keeper was started");
  };
  const tee = await openTee(log, 1, directory.path, { makePipe: openPipe, keep });
  await Bun.spawn(["true"], { stdio: ["ignore", tee.write, "ignore"] }).exited;
  const output = teeLog({ stdout: tee.write, stderr: 2 }, [tee], 1000);
  output.started();
  expect(await output.finish(never)).toEqual({ logs: [{ ...log, bytes: 0, isOpen: false }], notes: [] });
});

test.each([
  ["openPipe", openPipe],
  ["openByFifo", openByFifo],
])("what a command wrote before its keeper came reaches it (%s)", async (_, makePipe) => {
  using directory = scratch();
  const log = { name: "stdout.log", path: directory.at("stdout.log") } as const;
  const keep: LogKeeper = (read) => ({ finish: async () => ({ notes: [readFileSync(read, "utf8")], isOpen: false }) });
  const tee = await openTee(log, 1, directory.path, { makePipe, keep });
  await Bun.spawn(["sh", "-c", "echo word"], { stdio: ["ignore", tee.write, "ignore"] }).exited;
  const output = teeLog({ stdout: tee.write, stderr: 2 }, [tee], 1000);
  output.started();
  expect((await output.finish(never)).notes).toEqual(["word\n"]);
});
