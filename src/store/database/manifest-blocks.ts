import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import { deliverySnapshots } from "../../db/delivery/delivery-snapshot.ts";
import * as edges from "../../db/records/edges.ts";
import * as events from "../../db/records/events.ts";
import * as metaSources from "../../db/records/meta-sources.ts";
import * as metrics from "../../db/records/metrics.ts";
import * as params from "../../db/records/params.ts";
import * as inputs from "../../db/records/run-inputs.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import type { Store } from "../store.ts";

/** What a manifest, or a line of the journal, holds. */
type Written = string | number | boolean | null | undefined | readonly Written[] | { readonly [key: string]: Written };
type Block = { readonly [key: string]: Written };

/** All that is known of a run, but for what it made. Links name others by their lasting ids. */
export function runBlock(store: Store, run: RunRow): Block {
  const { inputs: read, ...about } = aboutBlock(store, run);
  const points = metrics.since(store.db, run.seq).map(({ key, value, step, time }) => [key, value, step, time] as const);
  return { ...about, metrics: points, inputs: read, ...laterBlock(store, run) };
}

/** What grows with a run's deliveries, and with what befalls it. */
export function laterBlock(store: Store, { seq }: RunRow): Block {
  return {
    deliveries: deliverySnapshots(store.db, seq).map((delivery) => ({ ...delivery })),
    events: events.ofRunByUid(store.db, seq).map(({ at, kind, message, artifact }) => [at, kind, message, artifact]),
  };
}

/** Which run it is, what it was given, and what it read: not its histories, which may be long. */
export function aboutBlock(store: Store, run: RunRow): Block {
  const { parent, manifest: _, command, environment, configuration, branch, extra, ...rest } = run;
  return {
    ...rest,
    parent: parent === null ? null : (runs.bySeq(store.db, parent)?.id ?? null),
    command: command === null ? null : (JSON.parse(command) as string[]),
    branch: JSON.parse(branch) as number[],
    environment: JSON.parse(environment) as Written,
    configuration: JSON.parse(configuration) as Written,
    extra: JSON.parse(extra) as Written,
    params: params.ofRun(store.db, rest.seq),
    tags: tags.of(store.db, "run", rest.seq),
    inputs: inputs.ofRun(store.db, rest.seq).map(({ artifact, path, digest, size, how, changed }) => ({
      artifact: artifact === null ? null : (artifacts.bySeq(store.db, artifact)?.uid ?? null),
      path,
      digest,
      size,
      how,
      changed,
    })),
  };
}

/** Every column, whatever the artifact's state: an item of the format's own list says only what is in sight. */
export function artifactBlock(store: Store, artifact: ArtifactRow, uidOf: (seq: number) => string): Block {
  const { uid, run: _run, blob, id, branch, params: own, metrics: measured, feature_columns: columns, extra, ...rest } = artifact;
  return {
    uid,
    ...rest,
    artifact_id: id,
    branch: JSON.parse(branch) as number[],
    params: JSON.parse(own) as Written,
    metrics: JSON.parse(measured) as Written,
    feature_columns: columns === null ? null : (JSON.parse(columns) as string[]),
    tags: tags.of(store.db, "artifact", rest.seq),
    edges: edges.dependencies(store.db, rest.seq).map(({ dependency, role, position, implicit, changed }) => ({
      to: uidOf(dependency),
      role,
      position,
      implicit: implicit === 1,
      changed: changed === 1,
    })),
    meta_sources: metaSources.ofArtifact(store.db, rest.seq).map(({ feature_index, source }) => ({
      feature_index,
      source: uidOf(source),
    })),
    ...bytesOf(store, blob, artifact.kind),
    extra: JSON.parse(extra) as Written,
  };
}

/** Where an import left the bytes, and by which digests they are known; of the store's own the one beside their name, where it is known. */
function bytesOf(store: Store, blob: number | null, kind: ArtifactRow["kind"]): { [key: string]: Written } {
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
