import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { fillDisk, makeRoom, mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";
import type { JsonError } from "./words.ts";

const mounted = needsMount(test);
const KEEP = ["log", "f", "--name", "kept"];

function prepare(root: TemporaryRoot): { root: string; cwd: string } {
  writeFileSync(root.at("f"), "small");
  writeFileSync(root.at("big"), Buffer.alloc(3 << 20, 1));
  mkdirSync(root.at("many"));
  for (let i = 0; i < 100; i++) writeFileSync(root.at("many", `${i}`), `${i} `.repeat(10_000));
  return { root: root.at("disk/s"), cwd: root.path };
}

async function refused(args: string[], options: { root: string; cwd: string }): Promise<JsonError> {
  const result = await coffer([...args, "--json"], options);
  expect([args, result.code, result.stdout, result.stderr.includes("internal error")]).toEqual([args, 1, "", false]);
  return JSON.parse(result.stderr.trim().split("\n").at(-1) as string) as JsonError;
}

mounted("a disk that is too small for a file is an error with what to do; nothing of it is kept, and what was kept stays", async () => {
  using root = temporaryRoot();
  const options = prepare(root);
  using _disk = mountSmall(root.at("disk"), "2m");
  await done(KEEP, options);
  for (const args of [
    ["log", "big"],
    ["log", "many"],
    ["log", "f", "big"],
  ])
    expect(await refused(args, options)).toMatchObject({
      code: "STORE_UNUSABLE",
      message: expect.stringMatching(/no space is left/),
      hint: expect.stringContaining("make room"),
    });
  expect(readdirSync(root.at("disk/s/tmp"))).toEqual([]);
  expect([...new Bun.Glob("**").scanSync(root.at("disk/s/binaries"))].length).toBe(1);
  expect((await done(["ls", "--json"], options)).json<{ artifacts: object[] }>().artifacts).toMatchObject([{ name: "kept" }]);
  await done(["verify"], options);
  await done(["log", "f", "--name", "kept"], options);
});

mounted("a disk without a byte left is an error, not a stack trace, and all is well when there is room again", async () => {
  using root = temporaryRoot();
  const options = prepare(root);
  using _disk = mountSmall(root.at("disk"), "2m");
  await done(KEEP, options);
  fillDisk(root.at("disk"));
  for (const args of [
    ["log", "f"],
    ["log", "--metric", "a=1"],
    ["pin", "kept"],
    ["tag", "kept", "a=b"],
  ])
    expect(await refused(args, options)).toMatchObject({ code: "STORE_UNUSABLE" });
  const elsewhere = { root: root.at("disk/other"), cwd: root.path };
  expect(await refused(["log", "f"], elsewhere)).toMatchObject({ code: "STORE_UNUSABLE" });
  makeRoom(root.at("disk"));
  for (const where of [options, elsewhere]) {
    await done(KEEP, where);
    await done(["verify"], where);
  }
  expect((await done(["show", "kept", "--json"], options)).json()).toMatchObject({ version: 2, pinned: false, tags: {} });
});

test("a root that is a file, or lies below one, is an error with what to do", async () => {
  using root = temporaryRoot();
  const options = prepare(root);
  for (const place of [root.at("f"), root.at("f/below")])
    for (const args of [["log", "f"], ["ls"]]) {
      const result = await coffer([...args, "--json"], { ...options, root: place });
      expect([place, args, JSON.parse(result.stderr)]).toMatchObject([
        place,
        args,
        { code: expect.stringMatching(/STORE_UNUSABLE|NOT_FOUND/), hint: expect.stringContaining("--root") },
      ]);
    }
});
