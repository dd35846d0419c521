import { DEFAULT_DATASET } from "../../domain/names.ts";

/** What asks whether a row is of a dataset; what names none is of `default`. `value`: the parameter that holds the name. Lets SQLite use an index of the column. */
export function ofDataset(column: string, dataset: string, value: string): string {
  return dataset === DEFAULT_DATASET ? `(${column} = ${value} OR ${column} IS NULL)` : `${column} = ${value}`;
}
