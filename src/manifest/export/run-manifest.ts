import { readRegular } from "../../blobs/read-regular.ts";
import { makeDirectory, renameNoReplace, replaceFile } from "../../blobs/durable.ts";
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
import { artifactBlock, runBlock } from "../../store/database/record-blocks.ts";
import type { Store } from "../../store/store.ts";
import { tellsMore } from "../../store/database/tells-more.ts";
import { metaOf } from "./export-manifest.ts";
import { manifestItem } from "../read/manifest-item.ts";
import { lastingPart, sealed, sealOf } from "../read/seal.ts";
import { yamlPieces } from "../read/yaml.ts";
import type { Plain } from "../read/yaml.ts";
import { contradictionOf } from "../rebuild/contradiction.ts";
import { readLostRun } from "../rebuild/lost-run.ts";

/**
 * Writes `manifests/<run id>.yaml` for each ended run whose records changed: what `rebuild` needs if the database is lost.
 * It is a manifest of schema 2.0; what goes beyond that format is in its `coffer` block.
 */
export function writeDueManifests(store: Store): void {
  const due = runs.manifestDue(store.db).filter((run) => run.state !== "running");
  if (due.length === 0) return;
  makeDirectory(store.path("manifests"));
  for (const { seq } of due)
    // lost with the machine, the mark is set once more
    unflushed(store.db, () =>
      store.transaction(() => {
        // read, written and marked as one: nothing that changes meanwhile is passed over, and no older text replaces a newer one
        const run = runs.bySeq(store.db, seq);
        if (run?.manifest !== "due" || isContradicted(store, run)) return;
        moveFuller(store, run.id);
        replaceFile(store.path("manifests", `${run.id}.yaml`), manifestPieces(store, run), 0o644);
        syncPoint("manifest.written");
        runs.update(store.db, seq, { manifest: "written" });
      }),
    );
}

/** The text of a run's manifest, as its rows are now. */
export function manifestPieces(store: Store, run: RunRow): Generator<string> {
  return sealed(yamlPieces(runManifest(store, run)));
}

/**
 * Where rows say otherwise of what never changes than a manifest that is as it was written, the database is damaged: the manifest is what it can be made again from.
 */
function isContradicted(store: Store, run: RunRow): boolean {
  const path = store.path("manifests", `${run.id}.yaml`);
  const text = textAt(path);
  if (text === undefined || sealOf(text) !== "whole") return false;
  const rows = [...manifestPieces(store, run)].join("");
  if (lastingPart(rows) === lastingPart(text)) return false;
  const [now, then] = [rows, text].map((one) => readLostRun(one, path));
  if (typeof now !== "object" || typeof then !== "object") return false;
  const wrong = contradictionOf(now, then);
  if (wrong === undefined) return false;
  store.say(`${wrong}: manifests/${run.id}.yaml says so. It stays as it is: coffer verify tells more`);
  return true;
}

function textAt(path: string): string | undefined {
  try {
    return readRegular(path);
  } catch {
    return undefined;
  }
}

/** Where an older database was put back, the manifest may be all that tells of some artifacts: it stays beside the new one, and gc is stopped by it. */
function moveFuller(store: Store, run: string): void {
  const path = store.path("manifests", `${run}.yaml`);
  const because = tellsMore(store, path);
  if (because === undefined) return;
  const beside = `${run}.${new Date(store.now()).toISOString().replaceAll(":", "")}.yaml`;
  if (!renameNoReplace(path, store.path("manifests", beside))) throw new Error(`manifests/${beside} is there already`);
  store.say(`manifests/${run}.yaml ${because}; it is manifests/${beside} now`);
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
      journal: journal.lastSeq(store.db),
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
