import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";
import type { JsonError } from "./words.ts";

const CALLS = [["log", "f"], ["ls"], ["show", "kept"], ["get", "kept"], ["runs"], ["stats"], ["verify"], ["pin", "kept"], ["rm", "kept"]];

async function errorOf(args: readonly string[], options: { root?: string; cwd: string }): Promise<[exit: number | null, error: JsonError]> {
  const result = await coffer([...args, "--json"], options);
  expect([args, result.stdout]).toEqual([args, ""]);
  return [result.code, JSON.parse(result.stderr.trim().split("\n").at(-1) as string) as JsonError];
}

test("a store of a newer coffer is refused with 5 by every command, and no byte of it changes", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  writeFileSync(root.at("f"), "x");
  await done(["log", "f", "--name", "kept"], options);
  {
    using db = new Database(root.at("s/coffer.db"));
    db.run("PRAGMA user_version = 999");
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const before = readFileSync(root.at("s/coffer.db"));
  const files = readdirSync(root.at("s")).toSorted();
  for (const call of CALLS) {
    const [exit, error] = await errorOf(call, options);
    expect([call, exit, error]).toMatchObject([
      call,
      5,
      { code: "STORE_NEWER", hint: expect.stringContaining("upgrade coffer"), message: expect.stringContaining("999") },
    ]);
  }
  expect([readFileSync(root.at("s/coffer.db")).equals(before), readdirSync(root.at("s")).toSorted()]).toEqual([true, files]);
});

test.each([
  ["broken YAML", "cache: {max_entries: 3\nworkspace: [\n", /coffer\.yaml:[0-9]+:[0-9]+: /],
  ["an unknown key", "cache:\n  max_entris: 3\n", /coffer\.yaml:2:3: unknown key cache\.max_entris.*did you mean max_entries\?/],
  ["a store of another type", "artifact_store: {type: s3}\n", /s3/],
])("%s in the configuration stops every command with 2, and makes nothing", async (_, yaml, said) => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "x");
  writeFileSync(root.at("coffer.yaml"), yaml);
  for (const call of CALLS) {
    const [exit, { message, hint }] = await errorOf(call, { cwd: root.path });
    expect([call, exit]).toEqual([call, 2]);
    expect(`${message} ${hint}`).toMatch(said);
  }
  expect(existsSync(root.at("artifacts"))).toBe(false);
});
