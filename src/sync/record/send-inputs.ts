import { basename } from "node:path";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import type { OutboxRow } from "../../db/delivery/outbox.ts";
import * as inputs from "../../db/records/run-inputs.ts";
import type { RunInputRow } from "../../db/records/run-inputs.ts";
import { parseDigest } from "../../domain/digest.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { fitDataset, logInputs } from "../../mlflow/tracking/log-inputs.ts";
import type { DatasetInput } from "../../mlflow/tracking/log-inputs.ts";
import { remoteName } from "../../mlflow/artifacts/remote-name.ts";
import { checkTime } from "../sync.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";

/** Settles the step `inputs`: what the run read, as datasets of its page. @throws CofferError SERVER_REFUSED, SERVER_UNREACHABLE */
export async function sendInputs(one: Delivering, entry: OutboxRow): Promise<void> {
  const { store, connection } = one.sync;
  checkTime(one.sync);
  const all = datasetInputs(one);
  const taken = await logInputs(connection, one.delivery.remote_run as string, all);
  if (taken) one.tally.inputs += all.length;
  syncPoint("sync.inputs-sent");
  store.transaction(() => outbox.settle(store.db, entry.seq, store.now(), taken ? {} : { how: "unsupported" }));
}

/** Each once, by the name and digest that the server knows it by. */
export function datasetInputs(one: Delivering): DatasetInput[] {
  const { store } = one.sync;
  const all = new Map<string, DatasetInput>();
  for (const row of inputs.ofRun(store.db, one.run.seq)) {
    const artifact = row.artifact === null ? null : artifacts.bySeq(store.db, row.artifact);
    const title = artifact ? (artifact.name ?? artifact.path) : basename(row.path ?? "");
    const { name, digest, cut } = fitDataset(title || "input", parseDigest(row.digest).hex);
    if (cut) tell(one, { kind: "truncated", message: `the input “${title.slice(0, 60)}…” has a shorter name on the server` });
    all.set(`${name}\0${digest}`, { name, digest, ...sourceOf(one, row, artifact), profile: profileOf(row, artifact), context: "input" });
  }
  return [...all.values()];
}

/**
 * Where MLflow's own client can load it from: a run on the same server, or a path. What only coffer keeps has a type of its own, which that client shows
 * and does not load.
 */
function sourceOf(one: Delivering, row: RunInputRow, artifact: ArtifactRow | null): Pick<DatasetInput, "sourceType" | "source"> {
  const { store, target } = one.sync;
  if (!artifact) return { sourceType: "local", source: JSON.stringify({ uri: row.path ?? "" }) };
  const maker = artifact.deliver === 1 ? outbox.deliveryOf(store.db, artifact.run, target) : null;
  if (maker?.remote_run && maker.state === "synced")
    return { sourceType: "local", source: JSON.stringify({ uri: `runs:/${maker.remote_run}/${remoteName(artifact.path).path}` }) };
  const uri = artifact.name === null ? artifact.id : `${artifact.name}@v${artifact.version}`;
  return { sourceType: "coffer", source: JSON.stringify({ uri: `coffer:${uri}` }) };
}

function profileOf(row: RunInputRow, artifact: ArtifactRow | null): string {
  return JSON.stringify({
    size_bytes: row.size,
    digest: row.digest,
    ...(artifact && { files: artifact.files, version: artifact.version, type: artifact.type }),
    ...(row.changed === 1 && { changed: "it was another when the run ended" }),
  });
}
