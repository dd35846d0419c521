import type { Database } from "bun:sqlite";
import * as metadata from "../../src/db/open/metadata.ts";
import { inserters } from "./million-inserts.ts";
import type { Inserters } from "./million-inserts.ts";
import { BEGAN, fraction, hexOf, uuid } from "./steady.ts";

const EACH = 20;
const CHAIN = 90;
const BETWEEN_MS = 600_000;
const CLASSES = ["Ridge", "PLS", "Forest", "Mlp", "Svm"];
const OPTIMIZERS = ["adam", "sgd", "lbfgs"];
const TEAMS = ["red", "green", "blue"];
/** The slot of a run whose output the next run reads. */
const DATA = 10;
const PIPELINES = 500;
const PER_PACK = 100;

/*
 * Run r of 50,000 has 20 artifacts: slot 0 is a version of `model-<r mod 5000>`, 2 to 9 are steps of pipeline `p<r mod 500>` (branch by r, folds by
 * slot), 10 is the dataset that all of the next run depend on (a chain of 90 runs, then from the first dataset of all), the others are plain outputs.
 * One run of a hundred failed; the oldest have tombstones. Rows name files that are not there: what really can be read is logged afterwards, by the
 * binary itself: `bench-model` (three versions), `bench-data` (a directory), pipeline `bench` with steps, branches and folds.
 */

/** Fills an empty database, in one transaction. Fewer artifacts are fewer runs, with as many less models. */
export function fillRows(db: Database, artifacts: number): void {
  const runs = Math.floor(artifacts / EACH);
  db.transaction(() => {
    metadata.set(db, "id", uuid(0, 0));
    metadata.set(db, "created_at", String(BEGAN));
    const insert = inserters(db);
    for (let run = 0; run < runs; run++) {
      addRun(insert, run);
      for (let slot = 0; slot < EACH; slot++) addArtifact(insert, run, slot, runs);
      if (run % 1000 === 999) addMetaModel(insert, run);
    }
    addSeries(db);
  })();
}

function addRun(insert: Inserters, run: number): void {
  const started = startOf(run);
  const failed = hasFailed(run);
  insert.run(
    run + 1,
    uuid(1, run),
    run % 10 === 0 ? `sweep-${run % 1000}` : null,
    failed ? "failed" : "finished",
    failed ? 1 : 0,
    started,
    started + 60_000 + (run % 500) * 1000,
    `["python","train.py","--seed","${run}"]`,
    "/home/bench",
    datasetOf(run),
    pipelineOf(run),
    branchOf(run),
    hexOf(9, run).slice(0, 40),
  );
  insert.param(run + 1, "lr", String([0.1, 0.01, 0.001, 3e-4][run % 4]));
  insert.param(run + 1, "optimizer", OPTIMIZERS[run % 3] as string);
  insert.param(run + 1, "seed", String(run));
  insert.param(run + 1, "max_depth", String(run % 12));
  insert.tag(run + 1, "team", TEAMS[run % 3] as string);
  insert.tag(run + 1, "night", String(Math.floor(run / 144)));
  for (let step = 0; step < 3; step++) {
    insert.point(run + 1, "loss", 1 / (step + 1 + fraction(run)), step, started + step * 1000);
    insert.point(run + 1, "rmse", fraction(run) / (step + 1), step, started + step * 1000);
  }
  // a run in a thousand diverged
  insert.point(run + 1, "accuracy", run % 1000 === 500 ? null : 1 - fraction(run) / 3, 0, started + 4000);
  if (run > 0) insert.input(run + 1, artifactAt(inputOf(run), DATA), digestAt(inputOf(run), DATA), sizeAt(inputOf(run), DATA));
  if (run % PER_PACK === 0) insert.pack(packOf(run), uuid(2, run), `binaries/default/packs/${uuid(2, run)}.tar`, started);
}

function addArtifact(insert: Inserters, run: number, slot: number, runs: number): void {
  const models = runs / 10;
  const seq = artifactAt(run, slot);
  const created = startOf(run) + 30_000 + slot;
  const isStep = slot >= 2 && slot < DATA;
  const fold = slot % 6 === 5 ? null : slot % 6;
  const stepId = isStep ? `${pipelineOf(run)}:${branchOf(run).slice(1, -1)}:${slot}:${fold ?? "all"}` : null;
  const path =
    slot === 0
      ? "model.onnx"
      : slot === 1
        ? "metrics.json"
        : isStep
          ? `steps/${slot}.joblib`
          : slot === DATA
            ? "data.parquet"
            : `out/part-${slot}.csv`;
  const type = slot === 0 || isStep ? "model" : slot === 1 ? "metrics" : "dataset";
  const name = slot === 0 ? `model-${run % models}` : stepId;
  // of a step: as many runs of the pipeline had this branch before
  const version = slot === 0 ? Math.floor(run / models) + 1 : isStep ? Math.floor(run / (PIPELINES * 4)) + 1 : 1;
  const blob = addBlob(insert, run, slot, type, path, created);
  const isBuried = run < runs / 100 && slot === 11;
  insert.artifact(
    seq,
    uuid(3, seq),
    stepId ?? `${uuid(1, run)}/${path}`,
    run + 1,
    name,
    version,
    isBuried ? "deleted" : hasFailed(run) ? "withdrawn" : "live",
    created,
    "output",
    isBuried ? null : blob,
    digestOf(blob),
    sizeOf(blob),
    path,
    type,
    type === "model" ? (CLASSES[run % 5] as string) : null,
    datasetOf(run),
    isStep ? pipelineOf(run) : null,
    isStep ? branchOf(run) : "[]",
    isStep ? slot : null,
    isStep ? fold : null,
    slot === 0 && run % 3 === 0 ? `{"rmse":${fraction(seq)}}` : "{}",
    created,
  );
  if (run > 0) insert.edge(seq, artifactAt(inputOf(run), DATA), "input", 0, 1);
  if (slot !== 0) return;
  if (run % 50 === 0) insert.artifactTag(seq, "stage", "production");
  if (run % 1000 === 0) insert.pin(seq, created);
  if (run >= runs - models) insert.alias(name as string, "best", artifactAt(run - models * (run % 4), 0), created);
}

/** Slots 17 and 18 of every second run have the bytes of the run before. Returns the blob's seq, which gives digest and size. */
function addBlob(insert: Inserters, run: number, slot: number, type: string, path: string, created: number): number {
  const blob = blobAt(run, slot);
  if (blob !== artifactAt(run, slot)) return blob;
  const isPacked = slot === 1 || slot > DATA;
  const extension = path.slice(path.lastIndexOf("."));
  const file = isPacked
    ? null
    : `binaries/${datasetOf(run)}/${type}_${type === "model" ? (CLASSES[run % 5] as string) : "-"}_${hexOf(4, blob).slice(0, 12)}${extension}`;
  insert.blob(
    blob,
    Buffer.from(hexOf(4, blob), "hex"),
    sizeOf(blob),
    datasetOf(run),
    isPacked ? "pack" : "file",
    file,
    isPacked ? packOf(run) : null,
    isPacked ? (blob % 10_000) * 1024 : null,
    created,
  );
  return blob;
}

/** Slot 9 of its run stacks slots 2 to 5. */
function addMetaModel(insert: Inserters, run: number): void {
  for (let nth = 0; nth < 4; nth++) {
    insert.source(artifactAt(run, 9), nth, artifactAt(run, 2 + nth));
    insert.edge(artifactAt(run, 9), artifactAt(run, 2 + nth), "source", nth + 1, 0);
  }
  insert.stack(artifactAt(run, 9));
}

function addSeries(db: Database): void {
  db.run("INSERT INTO series SELECT 'name ' || name, max(version) FROM artifacts WHERE name IS NOT NULL GROUP BY name");
  db.run("INSERT INTO series SELECT 'id ' || id, max(version) FROM artifacts WHERE name IS NULL GROUP BY id");
}

function artifactAt(run: number, slot: number): number {
  return run * EACH + slot + 1;
}

function inputOf(run: number): number {
  return run % CHAIN === 0 ? 0 : run - 1;
}

function blobAt(run: number, slot: number): number {
  return artifactAt((slot === 17 || slot === 18) && run % 2 === 1 ? run - 1 : run, slot);
}

function digestAt(run: number, slot: number): string {
  return digestOf(blobAt(run, slot));
}

function digestOf(blob: number): string {
  return `blake3:${hexOf(4, blob)}`;
}

function sizeAt(run: number, slot: number): number {
  return sizeOf(blobAt(run, slot));
}

function sizeOf(blob: number): number {
  return 1000 + (blob % 9973) * 101;
}

function startOf(run: number): number {
  return BEGAN + run * BETWEEN_MS;
}

function hasFailed(run: number): boolean {
  return run % 100 === 7;
}

function packOf(run: number): number {
  return Math.floor(run / PER_PACK) + 1;
}

function datasetOf(run: number): string {
  return ["default", "corn", "wheat", "soil"][run % 4] as string;
}

function pipelineOf(run: number): string {
  return `p${run % PIPELINES}`;
}

function branchOf(run: number): string {
  return `[${Math.floor(run / PIPELINES) % 4}]`;
}
