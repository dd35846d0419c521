import { expect, test } from "bun:test";
import { fitDataset, logInputs } from "../../../src/mlflow/tracking/log-inputs.ts";
import type { DatasetInput } from "../../../src/mlflow/tracking/log-inputs.ts";
import { getRun } from "../../../src/mlflow/tracking/runs.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);

const input = (title: string, hex: string): DatasetInput => {
  const { name, digest } = fitDataset(title, hex);
  return { name, digest, sourceType: "local", source: `{"uri":"/data"}`, profile: "{}", context: "input" };
};

test("a long name keeps its end, a digest its beginning", () => {
  expect(fitDataset("train.csv", "ab".repeat(32))).toEqual({ name: "train.csv", digest: "ab".repeat(18), cut: false });
  const { name, cut } = fitDataset(`${"é".repeat(600)}.csv`, "ab");
  expect([[...name].length, name.endsWith("é.csv"), cut]).toEqual([500, true, true]);
  expect(fitDataset("a\0b", "ab")).toEqual({ name: "a\uFFFDb", digest: "ab", cut: true });
});

live("250 inputs of any name are in the run, once each, although they are sent twice", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const { id } = await newRun(connection);
  const all = Array.from({ length: 250 }, (_, number) =>
    input(number === 0 ? `“${"é".repeat(600)}”` : `data ${number}`, `${number}`.padStart(64, "0")),
  );
  expect(await logInputs(connection, id, all)).toBe(true);
  expect(await logInputs(connection, id, all)).toBe(true);
  const { datasets } = await getRun(connection, id);
  const spell = ({ name, digest }: { name: string; digest: string }): string => `${name} ${digest}`;
  expect(datasets.map(spell).toSorted()).toEqual(all.map(spell).toSorted());
});
