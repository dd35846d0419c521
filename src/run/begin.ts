import { existsSync, realpathSync, rmSync } from "node:fs";
import { basename, resolve as resolvePath } from "node:path";
import * as artifacts from "../db/records/artifacts.ts";
import * as leases from "../db/bytes/leases.ts";
import * as outbox from "../db/delivery/outbox.ts";
import { unflushed } from "../db/open/open.ts";
import * as params from "../db/records/params.ts";
import * as inputs from "../db/records/run-inputs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as tags from "../db/records/tags.ts";
import type { Who } from "../domain/process-identity.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { digestPath } from "../store/digest-path.ts";
import { endLease, takeLease } from "../store/lease.ts";
import type { Lease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { knownSecrets, redactPairs, redactText } from "../domain/redact.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { recordedCommand } from "./child/command-line.ts";
import { recordedCircumstances } from "./recorded-circumstances.ts";
import { isOpen, requireOpen } from "./require-open.ts";
import type { RunRequest } from "./run.ts";
import { makeWorkspace, workspacePath } from "./workspace/workspace.ts";

export interface Begun {
  run: RunRow;
  lease: Lease;
  workspace: string;
}

/**
 * Makes run, lease and declared inputs in one transaction, then the workspace: one that nobody knows of would stay for good where we are killed in between, and
 * `rebuild` would take it for what is left of a run.
 * @throws CofferError NOT_FOUND for an input, STORE_UNUSABLE; nothing is left then
 */
export async function beginRun(store: Store, request: RunRequest): Promise<Begun> {
  const declared = await Promise.all(request.inputs.map((input) => declaredInput(store, input, request.cwd)));
  const parent = parentOf(store, request);
  const id = Bun.randomUUIDv7();
  const workspace = workspacePath(store.settings.roots.workspace, id);
  // a machine that stops in the first seconds of a run takes the run along
  const secrets = knownSecrets(request.env);
  const begun = unflushed(store.db, () =>
    store.transaction(() => {
      const seq = runs.insert(store.db, {
        id,
        kind: "wrapped",
        name: request.name === undefined ? null : redactText(request.name, secrets),
        parent: parent?.seq ?? null,
        started_at: store.now(),
        command: JSON.stringify(recordedCommand(request.command, request.env)),
        directory: request.cwd,
        policy: store.settings.values.workspace.policy,
        workspace: store.keep(workspace),
        workspace_state: "present",
        dataset: request.dataset ?? parent?.dataset ?? null,
        pipeline: request.pipeline ?? parent?.pipeline ?? null,
        branch: request.branch
          ? JSON.stringify(request.branch)
          : parent && (request.pipeline ?? parent.pipeline) === parent.pipeline
            ? parent.branch
            : "[]",
        step: request.step?.step ?? null,
        sub_step: request.step?.subStep ?? null,
        fold: request.fold ?? null,
        note: request.note === undefined ? null : redactText(request.note, secrets),
      });
      const lease = takeLease(store, "run", { run: seq });
      tags.set(store.db, "run", seq, redactPairs(request.tags, secrets));
      params.set(store.db, seq, redactPairs(request.params, secrets));
      for (const input of declared) inputs.add(store.db, { ...input, run: seq, how: "declared" });
      return { run: runs.bySeq(store.db, seq) as RunRow, lease, workspace };
    }),
  );
  syncPoint("run.begun");
  try {
    makeWorkspace(store.settings.roots.workspace, id);
  } catch (error) {
    // what lies there is not ours to remove
    forgetBegun(store, begun);
    throw error;
  }
  syncPoint("run.workspace-made");
  return begun;
}

/** There was no run: its rows go. One that was closed meanwhile stays, since a manifest tells of it. */
export function forgetBegun(store: Store, begun: Begun): void {
  const { run, lease } = begun;
  store.transaction(() => {
    if (!isOpen(store, begun)) return;
    endLease(store, lease);
    for (const delivery of outbox.deliveriesOf(store.db, run.seq)) outbox.removeDelivery(store.db, delivery.seq);
    runs.forget(store.db, run.seq);
  });
}

/** What the child finds in its environment. */
export function childVariables(store: Store, { run, workspace }: Begun): Record<string, string | undefined> & { COFFER_RUN_ID: string } {
  const step = run.step === null ? undefined : run.sub_step === null ? String(run.step) : `${run.step}.${run.sub_step}`;
  return {
    COFFER_RUN_ID: run.id,
    COFFER_ROOT: store.root,
    COFFER_WORKSPACE: workspace,
    CORE_ARTIFACT_ROOT: store.settings.roots.workspace,
    COFFER_PIPELINE: run.pipeline ?? undefined,
    COFFER_DATASET: run.dataset ?? undefined,
    COFFER_STEP: step,
    COFFER_BRANCH: run.branch === "[]" ? undefined : (JSON.parse(run.branch) as number[]).join(":"),
    COFFER_FOLD: run.pipeline === null ? undefined : run.fold === null ? "all" : String(run.fold),
  };
}

/**
 * Writes down, while the child works already, what it runs on; and the child in the lease, since the run lives as long as wrapper or child do. A machine that stops
 * takes both along.
 * @throws CofferError PROTECTED where the run was closed meanwhile
 */
export function recordStart(store: Store, begun: Begun, request: RunRequest, child: Who | undefined): void {
  const { run, lease } = begun;
  const circumstances = recordedCircumstances(store, request.env, request);
  unflushed(store.db, () =>
    store.transaction(() => {
      requireOpen(store, begun);
      if (child) leases.setChild(store.db, lease.seq, JSON.stringify(child));
      runs.update(store.db, run.seq, circumstances);
    }),
  );
}

/** The run that we are inside of, where it is one of this store. */
function parentOf(store: Store, request: RunRequest): RunRow | undefined {
  const id = request.env["COFFER_RUN_ID"];
  return id ? (runs.byId(store.db, id) ?? undefined) : undefined;
}

/** A path that exists is digested where it is and not stored; anything else is a reference. */
async function declaredInput(
  store: Store,
  input: string,
  cwd: string,
): Promise<{ artifact: number | null; path: string | null; digest: string; size: number }> {
  const path = resolvePath(cwd, input);
  if (!existsSync(path)) {
    const { artifact } = resolveArtifact(store, input);
    return { artifact: artifact.seq, path: null, digest: artifact.digest, size: artifact.size };
  }
  const { hex, size } = await digestPath(realpathSync(path));
  const digest = `blake3:${hex}`;
  return { artifact: artifacts.latestOfDigest(store.db, digest, basename(path))?.seq ?? null, path: store.keep(path), digest, size };
}

/** Beside the outputs of a run whose end could not be written to the store; read when the run is adopted. */
export const END_FILE = ".coffer-end.json";

/** Removes a workspace in which nothing happened, because the command could not be started. */
export function discardWorkspace(workspace: string): void {
  rmSync(workspace, { recursive: true, force: true });
}
