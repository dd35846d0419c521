import { expect, test } from "bun:test";
import { moduleOf, PATIENCE, readJson, runExample } from "./example.ts";
import type { Example, Penguin } from "./example.ts";

interface Loaded {
  records: { id: string; version: number; class: string; branch_path: number[]; path: string }[];
}

const { loadPenguins } = await moduleOf<{ loadPenguins(): Penguin[] }>("train/penguins.mjs");
const { fitStandardScaler, fitMinMaxScaler, scale } = await moduleOf<
  Record<"fitStandardScaler" | "fitMinMaxScaler", (rows: Penguin[]) => unknown> & { scale(scaler: unknown, features: number[]): number[] }
>("learning/scaler.mjs");
const { voteOfNeighbours } = await moduleOf<{ voteOfNeighbours(model: unknown, features: number[]): string }>(
  "learning/nearest-neighbours.mjs",
);

test(
  "each branch has a scaler and a model of its own, and all share the split",
  async () => {
    using example = await runExample("branching");
    const models = await load(example, "2", "model");
    expect(models.map(({ id, branch_path }) => [id, branch_path])).toEqual([
      ["branching:0:2:all", [0]],
      ["branching:1:2:all", [1]],
    ]);
    const [split] = await load(example, "0", "splitter");
    expect(split).toMatchObject({ id: "branching:0:all", branch_path: [] });
    const { training, test: asked } = readJson<{ training: number[]; test: number[] }>(split?.path ?? "");
    const penguins = loadPenguins();
    const rows = (numbers: number[]): Penguin[] => numbers.map((number) => penguins[number] as Penguin);

    for (const [branch, name, fit] of [
      [0, "StandardScaler", fitStandardScaler],
      [1, "MinMaxScaler", fitMinMaxScaler],
    ] as const) {
      expect(await load(example, "0", "splitter", `${branch}`)).toMatchObject([{ path: split?.path }]);
      const own = await load(example, "1", "transformer", `${branch}`);
      expect(own.map((record) => record.class)).toEqual([name]);
      const scaler = readJson(own[0]?.path ?? "");
      expect(scaler).toEqual(fit(rows(training)));
      const loaded = await load(example, "2", "model", `${branch}`);
      expect(loaded).toEqual(models.filter(({ branch_path }) => branch_path[0] === branch));
      const model = readJson(loaded[0]?.path ?? "");
      const right = rows(asked).filter((row) => voteOfNeighbours(model, scale(scaler, row.features)) === row.species).length;
      const shown = await example.json<{ run_metrics: object; depends_on: string[] }>("show", `branching:${branch}:2:all`);
      expect(shown.run_metrics).toEqual({ "test.accuracy": right / asked.length });
      expect(right / asked.length).toBeGreaterThan(0.9);
      expect(shown.depends_on.toSorted()).toEqual([`branching:${branch}:1:all`, "branching:0:all"].toSorted());
    }
    expect(example.output).toContain("(exit code 4)");

    // the steps are runs inside the branch's, which is inside the pipeline's
    const { runs } = await example.json<{ runs: { id: string }[] }>("runs");
    expect(runs).toHaveLength(8);

    await example.again();
    expect((await load(example, "2", "model")).map(({ id, version }) => [id, version])).toEqual([
      ["branching:0:2:all", 2],
      ["branching:1:2:all", 2],
    ]);
  },
  PATIENCE,
);

async function load(example: Example, step: string, type: string, branch?: string): Promise<Loaded["records"]> {
  const words = ["load", "--pipeline", "branching", "--step", step, "--type", type];
  return (await example.json<Loaded>(...words, ...(branch === undefined ? [] : ["--branch", branch]))).records;
}
