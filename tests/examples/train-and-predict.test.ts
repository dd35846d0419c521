import { expect, test } from "bun:test";
import { moduleOf, PATIENCE, readJson, readTable, runExample } from "./example.ts";
import type { Penguin } from "./example.ts";

interface Shown {
  type: string;
  class: string;
  depends_on: string[];
  run_metrics: Record<string, number>;
}

const { loadPenguins } = await moduleOf<{ loadPenguins(): Penguin[] }>("train/penguins.mjs");
const { scale } = await moduleOf<{ scale(scaler: unknown, features: number[]): number[] }>("learning/scaler.mjs");
const { chancesOf } = await moduleOf<{ chancesOf(model: unknown, features: number[]): number[] }>("learning/logistic-regression.mjs");

test(
  "a second run finds scaler and model by their steps, and predicts what they say",
  async () => {
    using example = await runExample("train-and-predict");
    for (const [id, type, name, made] of [
      ["penguins:0:all", "splitter", "ShuffleSplit", []],
      ["penguins:1:all", "transformer", "StandardScaler", ["penguins:0:all"]],
      ["penguins:2:all", "model", "LogisticRegression", ["penguins:1:all"]],
    ] as const)
      expect(await example.json<Shown>("show", id)).toMatchObject({ type, class: name, depends_on: made });
    const predicted = await example.json<Shown>("show", "penguin-predictions");
    expect(predicted.depends_on.toSorted()).toEqual(["penguins:0:all", "penguins:1:all", "penguins:2:all"]);
    expect(example.output).toContain("└─ penguins:2:all@v1  model LogisticRegression");

    const [[split = ""], [scaler = ""], [model = ""], [table = ""]] = await Promise.all([
      example.lines("load", "--pipeline", "penguins", "--step", "0"),
      example.lines("load", "--pipeline", "penguins", "--step", "1"),
      example.lines("get", "penguins:2:all"),
      example.lines("get", "penguin-predictions"),
    ]);
    const penguins = loadPenguins();
    const { training, unseen } = readJson<{ training: number[]; unseen: number[] }>(split);
    expect([...training, ...unseen].toSorted((a, b) => a - b)).toEqual([...penguins.keys()]);
    const { classes } = readJson<{ classes: string[] }>(model);
    const rows = readTable(table);
    expect(rows).toHaveLength(unseen.length);
    for (const [index, row] of rows.entries()) {
      const penguin = penguins[unseen[index] as number] as Penguin;
      const chances = chancesOf(readJson(model), scale(readJson(scaler), penguin.features));
      const highest = Math.max(...chances);
      expect(row).toEqual({
        penguin: String(unseen[index]),
        species: penguin.species,
        predicted: classes[chances.indexOf(highest)] as string,
        chance: highest.toFixed(4),
      });
    }
    const right = rows.filter((row) => row["species"] === row["predicted"]).length / rows.length;
    expect(predicted.run_metrics).toEqual({ "unseen.accuracy": right });
    // most of them are of one species: saying so of all is the baseline
    const most = Math.max(...classes.map((name) => rows.filter((row) => row["species"] === name).length)) / rows.length;
    expect(most).toBeLessThan(0.6);
    expect(right).toBeGreaterThan(0.9);

    await example.again();
    expect(
      (await example.json<{ artifacts: { version: number }[] }>("ls", "penguins:2:all")).artifacts.map(({ version }) => version),
    ).toEqual([2, 1]);
    expect((await example.json<{ version: number }>("show", "penguin-predictions")).version).toBe(2);
    expect(await example.lines("get", "penguin-predictions")).toEqual([table]);
  },
  PATIENCE,
);
