import { statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../src/db/records/artifacts.ts";
import * as inputs from "../../src/db/records/run-inputs.ts";
import * as tags from "../../src/db/records/tags.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { mlflow, needsMlflow, readBack } from "../support/mlflow.ts";
import type { ReadRun } from "../support/mlflow.ts";
import type { TestStore } from "../support/store.ts";
import { ask, deliveryOf, say, seenOn, short, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsMlflow(test);
const HEX = "0123456789abcdef".repeat(4);

/** What `log` would have recorded of an artifact. */
function describe(
  { store }: TestStore,
  artifact: ArtifactRow,
  more: Partial<Pick<ArtifactRow, "type" | "description" | "params" | "class">>,
): void {
  const columns = Object.keys(more);
  store.db
    .query(`UPDATE artifacts SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE seq = ?`)
    .run(...(Object.values(more) as string[]), artifact.seq);
}

/** Reads an artifact, or a path outside, as a run that began with `--input` does. */
function reads({ store }: TestStore, run: number, from: ArtifactRow | string): void {
  const input = { run, how: "declared" as const };
  inputs.add(
    store.db,
    typeof from === "string"
      ? { ...input, artifact: null, path: from, digest: `blake3:${HEX}`, size: 12 }
      : { ...input, artifact: from.seq, path: null, digest: from.digest, size: from.size },
  );
}

async function client(runId: string): Promise<ReadRun> {
  const [seen, ...more] = await readBack(mlflow.proxied, runId);
  expect(more).toEqual([]);
  return seen as ReadRun;
}

live(
  "the page of a run shows its times, parent, note, code, inputs, models and every point, as MLflow's own client reads them",
  async () => {
    using stored = await storeFor(mlflow.proxied.uri);
    const { run: maker, artifacts: made } = await tellLater(stored, { artifacts: [{ name: "clean", path: "clean.csv", bytes: "a,b" }] });
    const parent = stored.run({ name: "search" });
    say(stored, parent, {});
    const series = Array.from({ length: 2_000 }, (_, step) => ({
      key: "loss",
      value: 1 / (step + 1),
      step,
      time: 1_700_000_000_000 + step * 10,
    }));
    const { run, artifacts: outputs } = await tellLater(stored, {
      run: {
        name: "trial 1",
        user: "eve",
        parent: parent.seq,
        note: "lower rate",
        started_at: 1_700_000_000_001,
        ended_at: 1_700_000_060_002,
        code_commit: "abc123",
        code_branch: "main",
        code_remote: "https://eve:secret@host/x.git",
        code_dirty: 1,
      },
      metrics: [
        ...series,
        { key: "odd", value: Number.NaN, step: -1, time: 5 },
        { key: "odd", value: Number.NEGATIVE_INFINITY, step: 0, time: 6 },
      ],
      artifacts: [
        { name: "clf", path: "out/clf.pkl", bytes: "weights" },
        { path: "model", files: { MLmodel: "flavors: {}", "data/model.pkl": "pickled" } },
        { path: "notes", files: { a: "a" } },
      ],
    });
    const [clf, tree] = outputs as [ArtifactRow, ArtifactRow];
    describe(stored, clf, { type: "model", class: "RandomForest", description: "best of three", params: '{"depth":3,"kind":"gini"}' });
    tags.set(stored.store.db, "artifact", clf.seq, [["quality", "high"]]);
    reads(stored, run.seq, made[0] as ArtifactRow);
    reads(stored, run.seq, "/data/raw.csv");
    say(stored, run, {});
    const report = await sync(stored);
    expect(report).toMatchObject({ synced: 3, left: 0, stopped: null });
    expect(report.runs.at(-1)).toMatchObject({ sent: { inputs: 2, models: 2, metrics: 2_002 }, notes: [] });

    const seen = await client(run.id);
    expect(seen).toMatchObject({ name: "trial 1", start_time: 1_700_000_000_001, end_time: 1_700_000_060_002, status: "FINISHED" });
    expect(seen.tags).toMatchObject({
      "mlflow.parentRunId": deliveryOf(stored, parent).remote_run as string,
      "mlflow.note.content": "lower rate\n\n- `out/clf.pkl`: best of three",
      "mlflow.user": "eve",
      "mlflow.source.git.commit": "abc123",
      "mlflow.source.git.branch": "main",
      "mlflow.source.git.repoURL": "https://host/x.git",
      "mlflow.source.git.dirty": "true",
    });
    expect(seen.metrics["loss"]).toEqual(series.map(({ value, step, time }) => [value, step, time]));
    expect(seen.metrics["odd"]).toEqual([
      ["nan", -1, 5],
      [-Number.MAX_VALUE, 0, 6],
    ]);
    expect(seen.inputs.sort((a, b) => a.name.localeCompare(b.name))).toMatchObject([
      {
        name: "clean",
        digest: (made[0] as ArtifactRow).digest.slice("blake3:".length).slice(0, 36),
        source_type: "local",
        source: { uri: `runs:/${deliveryOf(stored, maker).remote_run}/clean.csv` },
        profile: { size_bytes: 3, version: 1 },
        tags: { "mlflow.data.context": "input" },
      },
      { name: "raw.csv", digest: HEX.slice(0, 36), source_type: "local", source: { uri: "/data/raw.csv" }, profile: { size_bytes: 12 } },
    ]);
    expect(seen.artifacts).toEqual({ "out/clf.pkl": 7, "model/MLmodel": 11, "model/data/model.pkl": 7, "notes/a": 1 });
    const runId = deliveryOf(stored, run).remote_run as string;
    expect(seen.models.sort((a, b) => a.name.localeCompare(b.name))).toMatchObject([
      {
        name: "clf",
        status: "READY",
        type: "RandomForest",
        source_run_id: runId,
        params: { depth: "3", kind: "gini" },
        tags: {
          quality: "high",
          "coffer.artifact": clf.uid,
          "coffer.path": "out/clf.pkl",
          "coffer.version": "1",
          "mlflow.note.content": "best of three",
        },
        artifacts: {},
      },
      // its name tells it from the directory beside it, and MLflow can load it
      {
        name: expect.stringMatching(/^model-[0-9a-f]{6}$/),
        status: "READY",
        source_run_id: runId,
        tags: { "coffer.artifact": tree.uid, "coffer.path": "model" },
        artifacts: { MLmodel: 11, "data/model.pkl": 7 },
      },
    ]);
  },
);

live("a second delivery names no input and no model a second time", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  using stored = await storeFor(proxy.uri);
  const { run, artifacts: outputs } = await tellLater(stored, { artifacts: [{ path: "m.pt", bytes: "m" }] });
  describe(stored, outputs[0] as ArtifactRow, { type: "model" });
  reads(stored, run.seq, "/data/raw.csv");
  say(stored, run, {});
  await sync(stored);
  proxy.requests.length = 0;
  await sync(stored);
  expect(proxy.requests).toEqual([]);
  const next = await stored.add({ run, path: "n.pt", bytes: "n" });
  describe(stored, next, { type: "model" });
  say(stored, run, { params: { late: "1" } });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { models: 1, files: 1 } }] });
  expect(proxy.requests.map(short).filter((request) => request.endsWith("mlflow/logged-models"))).toHaveLength(1);
  const seen = await client(run.id);
  expect(seen.models.map(({ name }) => name).sort()).toEqual(["m_pt", "n_pt"]);
  expect(seen.inputs).toHaveLength(1);
});

for (const [what, fault] of [
  ["its answer was lost", { reset: "answer" }],
  ["a proxy said 503", { answer: "503 Busy" }],
] as const)
  live(`a model is made once although ${what}`, async () => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
      (request.endsWith("/logged-models") || request.endsWith("/outputs")) && nth === 1 ? fault : undefined,
    );
    using stored = await storeFor(proxy.uri);
    const { run, artifacts: outputs } = await tellLater(stored, { artifacts: [{ path: "m.pt", bytes: "m" }] });
    describe(stored, outputs[0] as ArtifactRow, { type: "model" });
    expect(await sync(stored)).toMatchObject({ synced: 1, left: 0 });
    const { experiment } = (await seenOn(mlflow.proxied.uri, run))[0] as { experiment: string };
    const { models } = await ask<{ models: unknown[] }>(mlflow.proxied.uri, "logged-models/search", { experiment_ids: [experiment] });
    expect(models).toHaveLength(1);
    expect((await client(run.id)).models).toMatchObject([{ name: "m_pt", status: "READY" }]);
  });

live("a server that is too old for models and inputs gets all the rest, without a word", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
    /\/(logged-models|log-inputs)/.test(request)
      ? { answer: "404 Not Found", body: "<!doctype html><title>404 Not Found</title>" }
      : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run, artifacts: outputs } = await tellLater(stored, { params: { a: "1" }, artifacts: [{ path: "m.pt", bytes: "m" }] });
  describe(stored, outputs[0] as ArtifactRow, { type: "model" });
  reads(stored, run.seq, "/data/raw.csv");
  say(stored, run, {});
  expect(await sync(stored)).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { inputs: 0, models: 0, files: 1 }, notes: [] }] });
  expect(await sync(stored, { check: true })).toMatchObject({ checked: 1, left: 0, runs: [] });
});

live("on a shared disk the files of a model are links, beside the run and below it", async () => {
  using stored = await storeFor(mlflow.shared.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "model", files: { MLmodel: "x", "big.bin": "b".repeat(200_000) } }] });
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { models: 1 } }] });
  const [seen] = await readBack(mlflow.shared, run.id);
  expect(seen?.models).toMatchObject([{ artifacts: { MLmodel: 1, "big.bin": 200_000 } }]);
  const { remote_experiment, remote_run } = deliveryOf(stored, run);
  const experiment = join(mlflow.shared.artifacts, remote_experiment as string);
  const copies = [`${remote_run}/artifacts/model/big.bin`, `models/${seen?.models[0]?.model_id}/artifacts/big.bin`].map((path) =>
    statSync(join(experiment, path)),
  );
  const [{ path }] = stored.store.db.query("SELECT path FROM blobs WHERE size = 200000").all() as [{ path: string }];
  // where the disk can clone, it does
  if (copies.every(({ nlink }) => nlink > 1))
    expect(new Set([...copies, statSync(stored.store.path(path))].map(({ ino }) => ino)).size).toBe(1);
});

live("names, users and experiments that databases refuse are cut, said and recorded", async () => {
  using stored = await storeFor(mlflow.proxied.uri, { "tracking.mlflow.experiment": `long ${Bun.randomUUIDv7()} ${"é".repeat(500)}` });
  const { run } = await tellLater(stored, { run: { name: "n".repeat(251), user: "u".repeat(257), note: "w".repeat(8001) } });
  const { runs } = await sync(stored);
  expect(runs[0]?.state).toBe("synced");
  expect(runs[0]?.notes.toSorted()).toEqual([
    "tag “mlflow.note.content” was cut to 8000 characters for the server",
    "the experiment's name was cut to 500 characters for the server",
    "the run's name was cut to 250 characters for the server",
    "the run's user was cut to 256 characters for the server",
  ]);
  expect(stored.store.db.query("SELECT count(*) AS n FROM events WHERE run = ? AND kind = 'truncated'").get(run.seq)).toEqual({ n: 4 });
  const seen = await client(run.id);
  expect([seen.name.length, seen.tags["mlflow.user"]?.length, [...seen.experiment].length]).toEqual([250, 256, 500]);
  expect(seen.tags["mlflow.note.content"]).toHaveLength(8000);
  // what was cut once is not sent again
  say(stored, run, {});
  expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { tags: 0 }, notes: [] }] });
});

live("a description that comes later is added to the note, and a note that was written on the page stays", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run, artifacts: outputs } = await tellLater(stored, { run: { note: "first" }, artifacts: [{ path: "plot.png", bytes: "p" }] });
  await sync(stored);
  describe(stored, outputs[0] as ArtifactRow, { description: "the\nfinal plot" });
  expect(artifacts.atPath(stored.store.db, run.seq, "plot.png")?.description).toContain("final");
  say(stored, run, {});
  await sync(stored);
  const id = deliveryOf(stored, run).remote_run as string;
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.tags["mlflow.note.content"]).toBe("first\n\n- `plot.png`: the final plot");
  await ask(mlflow.proxied.uri, "runs/set-tag", { run_id: id, key: "mlflow.note.content", value: "mine" });
  describe(stored, outputs[0] as ArtifactRow, { description: "another" });
  say(stored, run, {});
  expect((await sync(stored)).runs[0]?.notes).toEqual([expect.stringContaining("the note on MLflow's page was written there")]);
  expect((await seenOn(mlflow.proxied.uri, run))[0]?.tags["mlflow.note.content"]).toBe("mine");
});
