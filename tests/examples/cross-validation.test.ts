import { expect, test } from "bun:test";
import { moduleOf, PATIENCE, readJson, readTable, runExample } from "./example.ts";
import type { Penguin } from "./example.ts";

interface FoldModel {
  fold: number;
  accuracy: number;
}

const { loadFolds, chancesBy } = await moduleOf<{
  loadFolds(): { folds: Penguin[][]; unseen: Penguin[] };
  chancesBy(model: unknown, features: number[]): number[];
}>("cross-validation/folds.mjs");
const { SPECIES } = await moduleOf<{ SPECIES: string[] }>("train/penguins.mjs");

test(
  "folds that were logged in mixed order are loaded in theirs, and predict together what each of them says on average",
  async () => {
    using example = await runExample("cross-validation");
    const words = ["--pipeline", "folds", "--step", "1", "--type", "model"];
    const { records, missing_folds: missing } = await example.json<{
      records: { id: string; fold_id: number }[];
      missing_folds: unknown[];
    }>("load", ...words, "--folds");
    expect(records.map(({ id }) => id)).toEqual(["folds:1:0", "folds:1:1", "folds:1:2", "folds:1:3", "folds:1:4"]);
    expect(missing).toEqual([]);
    const { artifacts } = await example.json<{ artifacts: { id: string }[] }>("ls", "--pipeline", "folds", "--type", "model");
    expect(artifacts.map(({ id }) => id)).toEqual(["folds:1:2", "folds:1:1", "folds:1:4", "folds:1:0", "folds:1:3"]);

    const paths = await example.lines("load", ...words, "--folds");
    expect(await example.lines("load", ...words, "--fold", "3")).toEqual([paths[3] as string]);
    const models = paths.map((path) => readJson<FoldModel>(path));
    expect(models.map(({ fold }) => fold)).toEqual([0, 1, 2, 3, 4]);

    const { folds, unseen } = loadFolds();
    const saysOf = (chances: number[]): string => SPECIES[chances.indexOf(Math.max(...chances))] as string;
    for (const [fold, model] of models.entries()) {
      const rows = folds[fold] as Penguin[];
      expect(model.accuracy).toBe(rows.filter((row) => saysOf(chancesBy(model, row.features)) === row.species).length / rows.length);
    }
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const together = (row: Penguin): number[] =>
      SPECIES.map((_, index) => mean(models.map((model) => chancesBy(model, row.features)[index] as number)));
    const [table = ""] = await example.lines("get", "folds-predictions");
    expect(readTable(table)).toEqual(
      unseen.map((row) => ({
        species: row.species,
        predicted: saysOf(together(row)),
        ...Object.fromEntries(together(row).map((chance, index) => [SPECIES[index] as string, chance.toFixed(6)])),
      })),
    );

    const shown = await example.json<{ run_metrics: Record<string, number>; depends_on: string[] }>("show", "folds-predictions");
    expect(shown.run_metrics).toEqual({
      "cv.accuracy": mean(models.map(({ accuracy }) => accuracy)),
      "cv.worst": Math.min(...models.map(({ accuracy }) => accuracy)),
      "unseen.accuracy": unseen.filter((row) => saysOf(together(row)) === row.species).length / unseen.length,
    });
    expect(shown.run_metrics["cv.accuracy"]).toBeGreaterThan(0.9);
    expect(shown.run_metrics["unseen.accuracy"]).toBeGreaterThan(0.9);
    expect(shown.depends_on).toEqual(records.map(({ id }) => id));
    const found = await example.json<{ artifacts: { name: string }[] }>("ls", "--where", "metrics.cv.accuracy > 0.9", "--type", "dataset");
    expect(found.artifacts.map(({ name }) => name)).toEqual(["folds-predictions"]);

    await example.again();
    expect(await example.lines("load", ...words, "--folds")).toEqual(paths);
  },
  PATIENCE,
);
