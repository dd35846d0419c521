import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where a run's outputs belong; without coffer, a directory beside. */
export const out = process.env.COFFER_WORKSPACE ?? "out";

/** As JSON, or text as it is. */
export function write(name, value) {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, name), typeof value === "string" ? value : `${JSON.stringify(value, undefined, 2)}\n`);
}

export function writeTable(name, head, rows) {
  write(name, [head, ...rows].map((cells) => `${cells.join(",")}\n`).join(""));
}

/**
 * Says what outputs are, in the manifest.yaml that `coffer run` reads (JSON is YAML): items are
 * `{artifact_id, path, artifact_type, class_name, depends_on}`.
 */
export function describe(items) {
  write("manifest.yaml", { schema_version: "2.0", artifacts: { items } });
}

/** The id of what a step makes, pipeline:[branch:…]step:fold, where this run stands. */
export function stepId(step) {
  const { COFFER_PIPELINE: pipeline = "alone", COFFER_BRANCH: branch, COFFER_FOLD: fold } = process.env;
  return [pipeline, ...(branch ? [branch] : []), step, fold || "all"].join(":");
}
