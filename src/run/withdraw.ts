import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as journal from "../db/records/journal.ts";
import type { RunRow } from "../db/records/runs.ts";
import type { RunState } from "../domain/run-state.ts";
import type { Store } from "../store/store.ts";

/**
 * What a failed run registered is out of sight as a whole; its log and the code it ran stay. What it logged itself before it was stopped by a
 * signal stays too: the checkpoints of a preempted job are no failure. Without versioning, what it had replaced is in sight again.
 */
export function withdraw(store: Store, run: RunRow, state: Exclude<RunState, "running">): ArtifactRow[] {
  const roles = state === "killed" ? ["output"] : ["output", "logged"];
  const going = artifacts.ofRun(store.db, run.seq).filter((artifact) => roles.includes(artifact.role));
  for (const artifact of going) setAside(store, artifact);
  return going;
}

function setAside(store: Store, artifact: ArtifactRow): void {
  const at = store.now();
  artifacts.setState(store.db, artifact.seq, "withdrawn", at);
  journal.append(store.db, { at, did: "withdraw", artifact: artifact.uid });
  const replaced = replacedBy(store, artifact);
  if (replaced?.run === artifact.run) setAside(store, replaced);
  else if (replaced) {
    artifacts.setState(store.db, replaced.seq, "live", at);
    journal.append(store.db, { at, did: "restore", artifact: replaced.uid });
  }
}

/** The version that made way for this one: it went out of sight at the very moment that this one was made. */
function replacedBy(store: Store, { name, version, created_at }: ArtifactRow): ArtifactRow | undefined {
  if (name === null || store.settings.values.artifact_store.versioning_enabled) return undefined;
  return artifacts.list(store.db, { name, states: ["removed"] }).find((old) => old.version < version && old.state_at === created_at);
}
