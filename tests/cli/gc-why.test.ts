import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { binary, coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** Three versions of a model, and a report that was made from the first. */
async function models() {
  const root = temporaryRoot();
  const call = (...args: string[]): Promise<CofferResult> => coffer(args, { root: root.at("store"), cwd: root.path });
  for (const version of [1, 2, 3]) {
    writeFileSync(root.at("model"), `model ${version}`);
    expect(await call("log", "model", "--name", "model")).toMatchObject({ code: 0 });
  }
  writeFileSync(root.at("report"), "report");
  expect(await call("log", "report", "--name", "report", "--depends-on", "model@v1")).toMatchObject({ code: 0 });
  return { root, call, [Symbol.dispose]: () => root[Symbol.dispose]() };
}

test("gc why says what keeps a version, what takes it, and when it went", async () => {
  using t = await models();
  const why = async (...words: string[]): Promise<string> => {
    const { code, stdout } = await t.call("gc", "why", ...words);
    expect(code).toBe(0);
    return stdout;
  };
  expect(await why("model")).toContain("kept: it is the newest version of its name");
  expect(await why("model@v1", "--max-versions", "1")).toContain(
    "report@v1 was made from it, which stays: it is the newest version of its name",
  );
  expect(await why("model@v2")).toContain("nothing protects it\nno rule that holds would take it");
  expect(await why("model@v2", "--max-versions", "1")).toContain(
    "the next coffer gc --apply takes it: 1 newer version (1 is kept) (versions)",
  );
  expect(await t.call("gc", "--max-versions", "1", "--apply")).toMatchObject({ code: 0, stdout: expect.stringContaining("model@v2") });
  expect(await why("model@v2")).toMatch(/deleted on 20.*: gc deleted model@v2: 1 newer version \(1 is kept\)/);
  expect(await t.call("gc", "why", "modl")).toMatchObject({ code: 4, stderr: expect.stringContaining("did you mean model?") });
});

test("gc why of a run tells of all that it made", async () => {
  using t = await models();
  const run = (await t.call("show", "model@v1", "--json")).json<{ run: string }>().run;
  const { code, stdout } = await t.call("gc", "why", run, "--max-versions", "1");
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^artifact +model@v1\n(.|\n)*report@v1 was made from it/)]);
  await t.call("run", "--name", "nothing", "--", "true");
  const none = await t.call("gc", "why", "nothing", "--json");
  expect([none.code, none.json()]).toEqual([0, { schema: "coffer.gc-why/1", ref: "nothing", bytes: null, artifacts: [] }]);
  expect(none.stderr).toContain("this run has no artifacts");
});

test("gc why of a version that a live run uses names the process and since when", async () => {
  using t = await models();
  const script = '"$0" get model@v2 >/dev/null && "$0" gc why model@v2 --max-versions 1';
  // what the command prints is its log: coffer's own document has stdout
  const { stderr } = await t.call("run", "--json", "--quiet", "--", "sh", "-c", script, binary());
  expect(stderr).toMatch(/kept: process [0-9]+ .*uses it, since [0-9.]+ m?s \(run\)/);
});

test("gc why of a digest tells every artifact with these bytes", async () => {
  using t = await models();
  expect(await t.call("log", "report", "--name", "copy")).toMatchObject({ code: 0 });
  const { digest } = (await t.call("show", "report", "--json")).json<{ digest: string }>();
  const told = (await t.call("gc", "why", digest.slice(0, 24), "--json")).json<{
    bytes: { digest: string };
    artifacts: { artifact: string }[];
  }>();
  expect([told.bytes.digest, told.artifacts.map(({ artifact }) => artifact)]).toEqual([digest, ["report@v1", "copy@v1"]]);
});

test("the plan with --json is the document that it was, however long", async () => {
  using t = await models();
  const plan = (await t.call("gc", "--max-versions", "1", "--json")).json<{
    items: { what: string }[];
    kept: { what: string }[];
    applied: null;
  }>();
  expect([plan.items.map(({ what }) => what), plan.kept.map(({ what }) => what), plan.applied]).toEqual([["model@v2"], ["model@v1"], null]);
});
