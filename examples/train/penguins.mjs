import { readFileSync } from "node:fs";

export const FEATURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
export const SPECIES = ["Adelie", "Chinstrap", "Gentoo"];

/** The rows that were measured, as `{species, features}`. */
export function loadPenguins() {
  const [head, ...lines] = readFileSync(new URL("./penguins.csv", import.meta.url), "utf8")
    .trim()
    .split(/\r?\n/);
  const columns = head.split(",");
  const rows = lines.map((line) => Object.fromEntries(line.split(",").map((cell, index) => [columns[index], cell])));
  return rows
    .map((row) => ({ species: row.species, features: FEATURES.map((name) => Number.parseFloat(row[name])) }))
    .filter((row) => row.features.every(Number.isFinite));
}
