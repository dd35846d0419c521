import { expect, test } from "bun:test";
import { moduleOf, PATIENCE, readJson, readTable, runExample } from "./example.ts";

interface Row {
  features: number[];
  target: number;
}

const { loadWeights, predictWith, errorOf } = await moduleOf<{
  loadWeights(): { base: Row[]; meta: Row[]; test: Row[] };
  predictWith(model: unknown, features: number[]): number;
  errorOf(rows: Row[], predict: (row: Row) => number): number;
}>("stacking/regressors.mjs");

test(
  "a meta-model is fed by its sources in the order that was said, and errs less than the best of them",
  async () => {
    using example = await runExample("stacking");
    const loaded = await example.json<{
      model: { id: string; path: string };
      feature_columns: string[];
      sources: { id: string; feature_index: number; column: string; path: string }[];
    }>("load", "--meta", "stacking:2:all", "--for-prediction");
    expect(loaded.sources.map(({ feature_index, id, column }) => [feature_index, id, column])).toEqual([
      [0, "stacking:1.2:all", "RegressionTree_pred"],
      [1, "stacking:1.0:all", "Ridge_pred"],
      [2, "stacking:1.1:all", "KNeighbors_pred"],
    ]);
    expect(loaded.feature_columns).toEqual(loaded.sources.map(({ column }) => column));
    expect(await example.lines("load", "--meta", "stacking:2:all", "--for-prediction")).toEqual(loaded.sources.map(({ path }) => path));

    const sources = loaded.sources.map(({ path }) => readJson(path));
    const model = readJson(loaded.model.path);
    const { base, test: asked } = loadWeights();
    const said = ({ features }: Row): number[] => sources.map((source) => predictWith(source, features));
    const [table = ""] = await example.lines("get", "stacking-predictions");
    expect(readTable(table).map((row) => Object.entries(row).map(([column, cell]) => [column, Number(cell)]))).toEqual(
      asked.map((row) => [
        ...said(row).map((value, index) => [loaded.feature_columns[index] as string, value]),
        ["meta", predictWith(model, said(row))],
        ["body_mass_g", row.target],
      ]),
    );

    const errors = sources.map((source) => errorOf(asked, (row) => predictWith(source, row.features)));
    const together = errorOf(asked, (row) => predictWith(model, said(row)));
    const shown = await example.json<{ run_metrics: object }>("show", "stacking:2:all");
    expect(shown.run_metrics).toEqual({ "test.rmse": together });
    expect(together).toBeLessThan(Math.min(...errors));
    const mean = base.reduce((sum, row) => sum + row.target, 0) / base.length;
    expect(together).toBeLessThan(errorOf(asked, () => mean) / 2);

    expect(example.output).toContain("is fed 3 feature columns, not 2");
    expect(example.output).toContain("branch context mismatch");
    expect(example.output.match(/^\(exit code 2\)$/gm)).toHaveLength(2);
    expect((await example.json<{ artifacts: unknown[] }>("ls", "--type", "meta_model")).artifacts).toHaveLength(1);

    await example.again();
    const again = await example.json<{ model: { version: number }; sources: { version: number }[] }>("load", "--meta", "stacking:2:all");
    expect([again.model, ...again.sources].map(({ version }) => version)).toEqual([2, 2, 2, 2]);
  },
  PATIENCE,
);
