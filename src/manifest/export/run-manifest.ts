import { lstatSync } from "node:fs";
import { makeDirectory, replaceFile } from "../../blobs/durable.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as edges from "../../db/records/edges.ts";
import * as journal from "../../db/records/journal.ts";
import * as metadata from "../../db/open/metadata.ts";
import { unflushed } from "../../db/open/open.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { artifactBlock, runBlock } from "../../store/database/manifest-blocks.ts";
import type { Store } from "../../store/store.ts";
import { metaOf } from "./meta-of.ts";
import { manifestItem } from "../read/manifest-item.ts";
import { sealed } from "../read/seal.ts";
import { yamlPieces } from "../read/yaml.ts";
import type { Plain } from "../read/yaml.ts";

/** What is to be written in place of a manifest that is there; undefined where that is to stay. */
export type Replacement = (store: Store, run: RunRow) => string | Generator<string> | undefined;

/**
 * Writes `manifests/<run id>.yaml` for each ended run whose records changed: what `rebuild` needs if the database is lost.
 * It is a manifest of schema 2.0; what goes beyond that format is in its `coffer` block. False where one is there already, and nobody said what may take its place.
 */
export function writeRunManifests(store: Store, replacement?: Replacement): boolean {
  const due = runs.manifestDue(store.db).filter((run) => run.state !== "running");
  if (due.length === 0) return true;
  makeDirectory(store.path("manifests"));
  let isDone = true;
  for (const { seq } of due)
    // lost with the machine, the mark is set once more
    unflushed(store.db, () =>
      store.transaction(() => {
        // read, written and marked as one: nothing that changes meanwhile is passed over, and no older text replaces a newer one
        const run = runs.bySeq(store.db, seq);
        if (run?.manifest !== "due") return;
        const path = store.path("manifests", `${run.id}.yaml`);
        const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
        if (isThere && !replacement) isDone = false;
        const text = isThere ? replacement?.(store, run) : manifestPieces(store, run);
        if (text === undefined) return;
        replaceFile(path, text, 0o644);
        syncPoint("manifest.written");
        runs.update(store.db, seq, { manifest: "written" });
      }),
    );
  return isDone;
}

/** The text of a run's manifest, as its rows are now. */
export function manifestPieces(store: Store, run: RunRow): Generator<string> {
  return sealed(yamlPieces(runManifest(store, run)));
}

/** A run and all it made, as a manifest names them. Records are read one by one, as they are written: an import may have ten thousand. */
function runManifest(store: Store, run: RunRow): { readonly [key: string]: Plain } {
  const made = artifacts.ofRun(store.db, run.seq, "any");
  const known = new Map(made.map((artifact) => [artifact.seq, artifact]));
  const names: Names = (seq) => known.get(seq) ?? artifacts.bySeq(store.db, seq) ?? { id: "", uid: "" };
  return {
    schema_version: "2.0",
    uid: run.id,
    pipeline_id: run.pipeline ?? run.id,
    name: run.name ?? run.id,
    dataset: run.dataset ?? DEFAULT_DATASET,
    created_at: new Date(run.started_at).toISOString(),
    metadata: {},
    artifacts: { schema_version: "2.0", items: items(store, made, names) },
    coffer: {
      store: { id: metadata.get(store.db, "id"), created_at: Number(metadata.get(store.db, "created_at")) },
      // later lines of the journal tell of what changed since
      journal: journal.knownThrough(store.db),
      run: runBlock(store, run),
      artifacts: blocks(store, made, names),
    },
  };
}

/** How an artifact is called: by its id in the format, by its uid in what is ours. */
type Names = (seq: number) => { id: string; uid: string };

/** What is in sight. Digests are the blobs' own; what came with an import stands in the block. */
function* items(store: Store, made: readonly ArtifactRow[], names: Names): Generator<Plain> {
  for (const artifact of made) {
    if (artifact.state !== "live") continue;
    const dependsOn = edges.dependencies(store.db, artifact.seq).map(({ dependency }) => names(dependency).id);
    const meta = metaOf(store, artifact, (seq) => names(seq).id);
    yield manifestItem({ ...artifact, extra: "{}" }, { contentHash: artifact.digest, dependsOn: [...new Set(dependsOn)], meta });
  }
}

function* blocks(store: Store, made: readonly ArtifactRow[], names: Names): Generator<Plain> {
  for (const artifact of made) yield artifactBlock(store, artifact, (seq) => names(seq).uid);
}
