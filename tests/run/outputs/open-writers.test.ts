import { expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { findOpenWriters } from "../../../src/run/outputs/open-writers.ts";
import { says } from "../../support/appears.ts";
import { scratch } from "../wrapped.ts";

test("a file that a straggler of the run has open for writing is found, also when its parent is gone", async () => {
  using directory = scratch();
  writeFileSync(directory.at("read"), "");
  const line = `setsid sh -c 'exec 5>>written 6<read; echo $$ > ready; exec sleep 300' &`;
  const child = Bun.spawn(["sh", "-c", line], {
    cwd: directory.path,
    env: { ...process.env, COFFER_RUN_ID: directory.path },
    stdio: ["ignore", "ignore", "ignore"],
  });
  const straggler = Number(await says(directory.at("ready")));
  await child.exited;
  const isOpen = findOpenWriters(directory.path, child.pid);
  process.kill(straggler, "SIGKILL");
  expect(isOpen(statSync(directory.at("written"), { bigint: true }))).toBe(true);
  expect(isOpen(statSync(directory.at("read"), { bigint: true }))).toBe(false);
  expect(isOpen(statSync(directory.at("ready"), { bigint: true }))).toBe(false);
});
