import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

async function pipelines() {
  const root = temporaryRoot();
  const call = (...args: string[]): Promise<CofferResult> => coffer(args, { root: root.at("store"), cwd: root.path });
  writeFileSync(root.at("shared"), "of both pipelines");
  for (const pipeline of ["0001", "0002"]) {
    writeFileSync(root.at("own"), `own of ${pipeline}`);
    expect(await call("log", "shared", "--step", `${pipeline}:1:all`, "--dataset", "corn")).toMatchObject({ code: 0 });
    expect(
      await call("run", "--pipeline", pipeline, "--step", "2", "--quiet", "--", "sh", "-c", `cp own $COFFER_WORKSPACE/model.bin`),
    ).toMatchObject({ code: 0 });
  }
  const names = async (): Promise<string[]> =>
    (await call("ls", "--json"))
      .json<{ artifacts: { id: string; path: string }[] }>()
      .artifacts.map(({ id, path }) => (id.includes(":") ? id : path));
  /** What the run of a pipeline made. */
  const made = async (pipeline: string): Promise<string> => {
    const { artifacts } = (await call("ls", "--pipeline", pipeline, "--json")).json<{ artifacts: { id: string; path: string }[] }>();
    return artifacts.find(({ path }) => path === "model.bin")?.id as string;
  };
  return { root, call, names, made, [Symbol.dispose]: () => root[Symbol.dispose]() };
}

test("deleting a pipeline keeps the other whole, with the bytes that both use, also after gc", async () => {
  using t = await pipelines();
  const before = await t.names();
  const gone = (await t.call("rm", "--pipeline", "0001", "--json")).json<{ id: string; artifacts: unknown[]; runs: string[] }>();
  expect([gone.id, gone.runs.length]).toEqual(["0001", 2]);
  expect(await t.names()).not.toContain("0001:1:all");
  expect(await t.call("gc", "--grace", "0", "--apply")).toMatchObject({ code: 0 });
  expect(await t.call("get", "0002:1:all", "-o", "out")).toMatchObject({ code: 0 });
  expect(await Bun.file(t.root.at("out")).text()).toBe("of both pipelines");
  expect(await t.call("get", await t.made("0002"), "-o", "own-out")).toMatchObject({ code: 0 });
  expect(await Bun.file(t.root.at("own-out")).text()).toBe("own of 0002");
  expect(await t.call("verify")).toMatchObject({ code: 0 });
  expect(await t.names()).toHaveLength(before.length - gone.artifacts.length);
  const journal = await Bun.file(t.root.at("store/manifests/journal.jsonl")).text();
  expect(journal.split("\n").filter((line) => line.includes('"did":"remove"')).length).toBe(gone.artifacts.length + gone.runs.length);
});

test("until gc takes it, a pipeline comes back as it was", async () => {
  using t = await pipelines();
  const before = await t.names();
  expect(await t.call("rm", "--pipeline", "0001")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("coffer restore --pipeline 0001"),
  });
  expect(await t.call("restore", "--pipeline", "0001")).toMatchObject({ code: 0 });
  expect(await t.names()).toEqual(before);
});

test("of a pipeline only one dataset goes where one is named", async () => {
  using t = await pipelines();
  const gone = (await t.call("rm", "--pipeline", "0001", "--dataset", "corn", "--json")).json<{
    artifacts: { id: string }[];
    runs: string[];
  }>();
  expect([gone.artifacts.map(({ id }) => id), gone.runs.length]).toEqual([["0001:1:all"], 1]);
  expect(await t.made("0001")).toBeString();
});

test("a pipeline that is not there, or of which something is pinned, is left as it is", async () => {
  using t = await pipelines();
  expect(await t.call("rm", "--pipeline", "0003")).toMatchObject({ code: 4, stderr: expect.stringContaining("did you mean 000") });
  expect(await t.call("rm")).toMatchObject({ code: 2 });
  expect(await t.call("rm", "0001:1:all", "--pipeline", "0001")).toMatchObject({ code: 2 });
  await t.call("pin", await t.made("0001"));
  const before = await t.names();
  expect(await t.call("rm", "--pipeline", "0001")).toMatchObject({ code: 5, stderr: expect.stringContaining("is pinned") });
  expect(await t.names()).toEqual(before);
});
