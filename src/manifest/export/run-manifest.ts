import { readFileSync } from "node:fs";
import { makeDirectory, renameNoReplace, replaceFile } from "../../blobs/durable.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import { deliverySnapshots } from "../../db/delivery/delivery-snapshot.ts";
import * as edges from "../../db/records/edges.ts";
import * as events from "../../db/records/events.ts";
import * as journal from "../../db/records/journal.ts";
import * as metaSources from "../../db/records/meta-sources.ts";
import * as metadata from "../../db/open/metadata.ts";
import * as metrics from "../../db/records/metrics.ts";
import { unflushed } from "../../db/open/open.ts";
import * as params from "../../db/records/params.ts";
import * as inputs from "../../db/records/run-inputs.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { DEFAULT_DATASET } from "../../domain/names.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import type { Store } from "../../store/store.ts";
import { tellsMore } from "../../store/database/tells-more.ts";
import { metaOf } from "./export-manifest.ts";
import { manifestItem } from "../read/manifest-item.ts";
import { sealed, sealOf } from "../read/seal.ts";
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
  const [now, then] = [[...manifestPieces(store, run)].join(""), text].map((one) => readLostRun(one, path));
  if (typeof now !== "object" || typeof then !== "object") return false;
  const wrong = contradictionOf(now, then);
  if (wrong === undefined) return false;
  store.say(`${wrong}: manifests/${run.id}.yaml says so. It stays as it is: coffer verify tells more`);
  return true;
}

function textAt(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
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
  for (const artifact of made) yield artifactBlock(store, artifact, names);
}

function runBlock(store: Store, run: RunRow): Plain {
  const { parent, manifest: _, command, environment, configuration, branch, extra, ...rest } = run;
  return {
    ...rest,
    parent: parent === null ? null : (runs.bySeq(store.db, parent)?.id ?? null),
    command: command === null ? null : (JSON.parse(command) as string[]),
    branch: JSON.parse(branch) as number[],
    environment: JSON.parse(environment) as Plain,
    configuration: JSON.parse(configuration) as Plain,
    extra: JSON.parse(extra) as Plain,
    params: params.ofRun(store.db, rest.seq),
    tags: tags.of(store.db, "run", rest.seq),
    metrics: metrics.since(store.db, rest.seq).map(({ key, value, step, time }) => [key, value, step, time]),
    inputs: inputs.ofRun(store.db, rest.seq).map(({ artifact, path, digest, size, how, changed }) => ({
      artifact: artifact === null ? null : (artifacts.bySeq(store.db, artifact)?.uid ?? null),
      path,
      digest,
      size,
      how,
      changed,
    })),
    deliveries: deliverySnapshots(store.db, rest.seq).map((delivery) => ({ ...delivery })),
    events: events.ofRunByUid(store.db, rest.seq).map(({ at, kind, message, artifact }) => [at, kind, message, artifact]),
  };
}

/** Every column, whatever the artifact's state: an item of the format's own list says only what is in sight. */
function artifactBlock(store: Store, artifact: ArtifactRow, names: Names): Plain {
  const { uid, run: _run, blob, id, branch, params: own, metrics: measured, feature_columns: columns, extra, ...rest } = artifact;
  return {
    uid,
    ...rest,
    artifact_id: id,
    branch: JSON.parse(branch) as number[],
    params: JSON.parse(own) as Plain,
    metrics: JSON.parse(measured) as Plain,
    feature_columns: columns === null ? null : (JSON.parse(columns) as string[]),
    tags: tags.of(store.db, "artifact", rest.seq),
    edges: edges.dependencies(store.db, rest.seq).map(({ dependency, role, position, implicit, changed }) => ({
      to: names(dependency).uid,
      role,
      position,
      implicit: implicit === 1,
      changed: changed === 1,
    })),
    meta_sources: metaSources.ofArtifact(store.db, rest.seq).map(({ feature_index, source }) => ({
      feature_index,
      source: names(source).uid,
    })),
    ...bytesOf(store, blob, artifact.kind),
    extra: JSON.parse(extra) as Plain,
  };
}

/** Where an import left the bytes, and by which digests they are known; of the store's own the one beside their name, where it is known. */
function bytesOf(store: Store, blob: number | null, kind: ArtifactRow["kind"]): { [key: string]: Plain } {
  const row = blob === null ? null : blobs.bySeq(store.db, blob);
  if (!row) return {};
  const hex = (digest: Uint8Array | null): string | null => (digest === null ? null : Buffer.from(digest).toString("hex"));
  // of a directory, `size` is that of its files
  if (row.place !== "foreign")
    return { ...(row.sha256 !== null && { sha256: hex(row.sha256) }), ...(kind === "tree" && { list_size: row.size }) };
  const { path, state, size, dataset, created_at, mtime_ns, ctime_ns, inode } = row;
  // as text: they have more digits than a number keeps
  const stamp = mtime_ns === null ? null : [mtime_ns, ctime_ns, inode].map(String);
  return { foreign: { path, state, size, blake3: hex(row.blake3), sha256: hex(row.sha256), dataset, created_at, stamp } };
}
