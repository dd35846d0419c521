// `bun scripts/bench/fill-workspace.ts DIR`: a workspace of another program, with one manifest of 10,000 records.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hexOf } from "./steady.ts";

const ITEMS = 10_000;

writeWorkspace(process.argv[2] as string);

/** A manifest of schema 2.0 with a chain of records in each of five branches, and the files that they name. */
function writeWorkspace(workspace: string): void {
  const binaries = join(workspace, "binaries/corn");
  const manifest = join(workspace, "runs/2026-01-01_corn/0001_pls");
  for (const path of [binaries, manifest]) mkdirSync(path, { recursive: true });
  const items = Array.from({ length: ITEMS }, (_, nth) => {
    const path = `model_${hexOf(5, nth).slice(0, 12)}.joblib`;
    writeFileSync(join(binaries, path), "");
    const [branch, step] = [nth % 5, Math.floor(nth / 5)];
    // lineage is at most 100 steps long
    const dependsOn = step % 90 === 0 ? "[]" : `["0001_pls:${branch}:${step - 1}:all"]`;
    return `    - artifact_id: "0001_pls:${branch}:${step}:all"
      content_hash: "sha256:${hexOf(5, nth)}"
      path: "${path}"
      pipeline_id: "0001_pls"
      branch_path: [${branch}]
      step_index: ${step}
      fold_id: null
      artifact_type: model
      class_name: PLSRegression
      depends_on: ${dependsOn}
      format: joblib
      format_version: "sklearn==1.6.0"
      size_bytes: 0
      created_at: "2026-01-01T00:00:00+00:00"
      params: {n_components: ${nth % 20}}
      version: 1
`;
  });
  const head = `schema_version: "2.0"
uid: "4b975cbc-0f73-4481-b99a-0c793bbe19bf"
pipeline_id: "0001_pls"
name: pls
dataset: corn
created_at: "2026-01-01T00:00:00+00:00"
metadata: {}
artifacts:
  schema_version: "2.0"
  items:
`;
  writeFileSync(join(manifest, "manifest.yaml"), head + items.join(""));
}
