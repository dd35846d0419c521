import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { withFailing } from "../support/failing-calls.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";

const linux = process.platform === "linux" ? test : test.skip;

linux("a used-up quota is said to be one; all can be looked at, and nothing half written stays", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  writeFileSync(root.at("f"), "small");
  mkdirSync(root.at("many"));
  for (let i = 0; i < 40; i++) writeFileSync(root.at("many", `${i}`), `${i}`);
  await done(["log", "f", "--name", "kept", "--quiet"], options);
  const without = (args: readonly string[]): Promise<CofferResult> => coffer(args, { ...options, before: withFailing("quota") });
  for (const args of [["ls"], ["show", "kept"], ["get", "kept"], ["stats"], ["verify"], ["gc"], ["runs"]])
    expect([args, await without(args)]).toMatchObject([args, { code: 0 }]);
  for (const [code, args] of [
    [1, ["log", "f"]],
    [1, ["log", "many"]],
    [1, ["tag", "kept", "a=b"]],
    [1, ["gc", "--apply"]],
    [125, ["run", "--", "true"]],
  ] as const)
    expect([args, await without(args)]).toMatchObject([
      args,
      { code, stderr: expect.stringMatching(/quota[^]*hint: make room within the quota/) },
    ]);
  // with a process that has the store open, its log's index is there, and it is a row that cannot be written
  const { code, stderr } = await coffer(["run", "--", ...withFailing("quota"), binary(), "log", "many"], options);
  expect([code, stderr]).toEqual([1, expect.stringContaining("the database could not be written: the disk quota of this user is used up")]);
  expect(readdirSync(join(options.root, "tmp"))).toEqual([]);
  await done(["verify"], options);
  await done(["log", "many", "--quiet"], options);
});
