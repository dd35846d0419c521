import { expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";

test("what is known to be damaged is shown as such by ls, by show of its run and by the doctor, until it is whole again", async () => {
  using here = place();
  await here.run("echo whole >$W/whole; echo weights >$W/model", ["--register", "model=model"]);
  const { id } = await here.shown();
  const damaged = async (list: "ls" | "runs"): Promise<boolean[]> => {
    const { artifacts, runs } = (await here.coffer([list, "--json"])).json<Record<"artifacts" | "runs", { damaged: boolean }[]>>();
    return (artifacts ?? runs).map((row) => row.damaged);
  };
  const state = async (...args: string[]) => (await here.coffer(args)).stdout.split("\n").filter((line) => line.endsWith(" damaged"));
  expect([await state("ls"), await state("show", id)]).toEqual([[], []]);
  expect([(await damaged("ls")).includes(true), await damaged("runs")]).toEqual([false, [false]]);
  expect((await examine(here)).of("store", "bytes")).toBeUndefined();

  const bytes = join(here.root, "binaries", here.binaries().find((path) => path.includes("model")) as string);
  chmodSync(bytes, 0o600);
  writeFileSync(bytes, "changed\n");
  expect((await here.coffer(["verify"])).code).not.toBe(0);
  expect(await state("ls")).toEqual([expect.stringContaining("model@v1")]);
  expect([(await damaged("ls")).filter((is) => is).length, await damaged("runs")]).toEqual([1, [true]]);
  expect((await here.coffer(["runs"])).stdout).toContain("finished, damaged");
  expect(await state("show", id)).toEqual([expect.stringContaining("model@v1")]);
  expect((await examine(here)).of("store", "bytes")).toMatch(/^warn: 1 blob is known to be damaged or lost → coffer verify --repair/);

  writeFileSync(bytes, "weights\n");
  expect((await here.coffer(["verify"])).code).toBe(0);
  expect([await state("ls"), await state("show", id), await damaged("runs")]).toEqual([[], [], [false]]);
});
