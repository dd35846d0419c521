import * as aliases from "../db/records/aliases.ts";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import * as journal from "../db/records/journal.ts";
import * as pins from "../db/records/pins.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as tags from "../db/records/tags.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import { redactPairs, redactText } from "../domain/redact.ts";
import { checkAlias, DEFAULT_DATASET } from "../domain/names.ts";
import { syncPoint } from "../domain/sync-point.ts";
import type { Store } from "../store/store.ts";
import { enqueueRun } from "./enqueue.ts";

/** Points `name@alias` at one version. @throws CofferError NAME_INVALID, also for an artifact without a name */
export function setAlias(store: Store, artifact: ArtifactRow, alias: string): void {
  checkAlias(alias);
  const name = artifact.name;
  if (name === null)
    throw new CofferError("NAME_INVALID", `${artifact.id} has no name to give an alias of`, { hint: "log it with --name NAME first" });
  store.transaction(() => {
    stillThere(store, artifact);
    const at = store.now();
    aliases.set(store.db, name, alias, artifact.seq, at);
    journal.append(store.db, { at, did: "alias", name, alias, artifact: artifact.uid });
  });
}

/** @throws CofferError NOT_FOUND */
export function removeAlias(store: Store, name: string, alias: string): void {
  store.transaction(() => {
    if (!aliases.remove(store.db, name, alias))
      throw new CofferError("NOT_FOUND", `“${name}” has no alias “${alias}”`, { hint: `coffer show ${name} lists them` });
    journal.append(store.db, { at: store.now(), did: "unalias", name, alias });
  });
}

export function pin(store: Store, artifact: ArtifactRow, said: string | null, secrets: readonly string[] = []): void {
  const note = said === null ? null : redactText(said, secrets);
  store.transaction(() => {
    stillThere(store, artifact);
    const at = store.now();
    pins.set(store.db, artifact.seq, note, at);
    journal.append(store.db, { at, did: "pin", artifact: artifact.uid, note });
    syncPoint("mark.written");
  });
}

/** @throws CofferError NOT_FOUND where there is no pin */
export function unpin(store: Store, artifact: ArtifactRow): void {
  store.transaction(() => {
    if (!pins.remove(store.db, artifact.seq))
      throw new CofferError("NOT_FOUND", `${artifact.id} is not pinned`, { hint: "coffer show tells what is pinned" });
    journal.append(store.db, { at: store.now(), did: "unpin", artifact: artifact.uid });
  });
}

/** Tags a run or an artifact, and takes tags away. @throws CofferError NOT_FOUND for a tag to remove that is not there */
export function retag(
  store: Store,
  what: { kind: "run"; run: RunRow } | { kind: "artifact"; artifact: ArtifactRow },
  set: readonly (readonly [string, string])[],
  remove: readonly string[],
  secrets: readonly string[] = [],
): void {
  const [owner, seq, uid, run] =
    what.kind === "run"
      ? (["run", what.run.seq, what.run.id, what.run.seq] as const)
      : (["artifact", what.artifact.seq, what.artifact.uid, what.artifact.run] as const);
  store.transaction(() => {
    for (const key of remove)
      if (!tags.remove(store.db, owner, seq, key))
        throw new CofferError("NOT_FOUND", `there is no tag “${key}”`, { hint: "coffer show lists them; nothing was changed" });
    const clean = redactPairs(set, secrets);
    tags.set(store.db, owner, seq, clean);
    for (const [key, value] of clean) journal.append(store.db, { at: store.now(), did: "tag", [owner]: uid, key, value });
    for (const key of remove) journal.append(store.db, { at: store.now(), did: "untag", [owner]: uid, key });
    const ended = runs.bySeq(store.db, run);
    if (!ended || ended.state === "running") return;
    runs.update(store.db, run, { manifest: "due" });
    if (what.kind === "run" && ended.kind !== "import") enqueueRun(store, ended);
  });
}

/** A run with all it made, one artifact, or all of a pipeline: its runs and what they and others made for it; of a dataset only, where one is named. */
export type Whole =
  | { kind: "run"; run: RunRow }
  | { kind: "artifact"; artifact: ArtifactRow }
  | { kind: "pipeline"; pipeline: string; dataset: string | undefined };

/**
 * Takes it out of sight, all at one moment: that tells later what went together. Bytes go with gc's grace; until then `restore` brings it back.
 * @throws CofferError PROTECTED where something of it is pinned or has an alias, or a run of it goes on; NOT_FOUND where gc was faster, or there is no such pipeline
 */
export function remove(store: Store, what: Whole): { artifacts: ArtifactRow[]; runs: RunRow[] } {
  return store.transaction(() => {
    const at = store.now();
    const hidden = runsOf(store, what).filter((run) => run.removed_at === null);
    const running = hidden.find((run) => run.state === "running");
    if (running)
      throw new CofferError("PROTECTED", `run ${running.id} is still running`, {
        hint: "end it first; coffer runs close ends one whose process is gone; nothing was changed",
      });
    const going = artifactsOf(store, what).filter((row) => row.state === "live");
    if (what.kind === "pipeline" && hidden.length + going.length === 0) throw noPipeline(store, what);
    for (const row of going) {
      refuseMarked(store, row);
      artifacts.setState(store.db, row.seq, "removed", at);
      journal.append(store.db, { at, did: "remove", artifact: row.uid });
    }
    for (const run of hidden) {
      runs.update(store.db, run.seq, { removed_at: at });
      journal.append(store.db, { at, did: "remove", run: run.id });
    }
    syncPoint("mark.written");
    return { artifacts: going, runs: hidden };
  });
}

function refuseMarked(store: Store, row: ArtifactRow): void {
  if (pins.of(store.db, row.seq))
    throw new CofferError("PROTECTED", `${artifactRef(row)} is pinned`, { hint: "coffer unpin it first; nothing was changed" });
  const [alias] = aliases.ofArtifact(store.db, row.seq);
  if (alias !== undefined)
    throw new CofferError("PROTECTED", `${artifactRef(row)} has the alias ${alias}`, {
      hint: `point it at another version, or take it away first: coffer alias ${row.name}@${alias} --remove; nothing was changed`,
    });
}

/**
 * Brings back what `rm` or a failed run took out of sight: an artifact; of a run, what went with it; of a pipeline, what its newest `rm` took.
 * @throws CofferError NOT_FOUND where its bytes are gone, or it was never away
 */
export function restore(store: Store, what: Whole): { artifacts: ArtifactRow[]; runs: RunRow[] } {
  return store.transaction(() => {
    const at = store.now();
    const away = artifactsOf(store, what).filter((row) => row.state !== "live");
    const removed = runsOf(store, what).filter((run) => run.removed_at !== null);
    const moment = momentOf(what, away, removed);
    const back = away.filter(
      (row) => what.kind === "artifact" || (row.state === "withdrawn" ? what.kind === "run" : row.state_at === moment),
    );
    const hidden = removed.filter((run) => run.removed_at === moment);
    if (back.length + hidden.length === 0) throw nothingBack(store, what, away);
    for (const row of back) {
      artifacts.setState(store.db, row.seq, "live", at);
      journal.append(store.db, { at, did: "restore", artifact: row.uid });
    }
    for (const run of hidden) {
      runs.restore(store.db, run.seq);
      journal.append(store.db, { at, did: "restore", run: run.id });
    }
    syncPoint("mark.written");
    return { artifacts: back, runs: hidden };
  });
}

/** When what is to come back was taken away. What went at another moment, by itself or for a newer version, was meant to go by itself. */
function momentOf(what: Whole, away: readonly ArtifactRow[], removed: readonly RunRow[]): number | undefined {
  if (what.kind !== "pipeline") return removed[0]?.removed_at ?? undefined;
  const moments = [
    ...away.filter((row) => row.state === "removed").map((row) => row.state_at),
    ...removed.map((run) => run.removed_at as number),
  ];
  return moments.reduce<number | undefined>((newest, one) => Math.max(newest ?? one, one), undefined);
}

function nothingBack(store: Store, what: Whole, away: readonly ArtifactRow[]): CofferError {
  return new CofferError("NOT_FOUND", "there is nothing to bring back", {
    hint:
      away.length > 0
        ? "these were taken by themselves: name one"
        : (neverStored(store, what) ?? "it is in sight, or its bytes are gone; coffer show tells"),
    candidates: away.slice(0, 20).map(artifactRef),
  });
}

/** What its workspace holds is no artifact: the run was adopted, or there was no room. */
function neverStored(store: Store, what: Whole): string | undefined {
  if (what.kind !== "run") return undefined;
  const { id, adopted, seq, workspace, workspace_state: state } = what.run;
  if (workspace === null || state !== "present" || !(adopted === 1 || runs.lacksOutputs(store.db, seq))) return undefined;
  return `its outputs were not stored, and lie in its workspace: coffer log --run ${id} [--name NAME] '${store.path(workspace)}/PATH' keeps one`;
}

function runsOf(store: Store, what: Whole): RunRow[] {
  if (what.kind === "artifact") return [];
  if (what.kind === "run") return [runs.bySeq(store.db, what.run.seq) ?? what.run];
  const { pipeline, dataset } = what;
  return runs.list(store.db, { pipeline, removed: true }).filter(isOf(dataset));
}

function artifactsOf(store: Store, what: Whole): ArtifactRow[] {
  if (what.kind === "artifact") return [stillThere(store, what.artifact)];
  if (what.kind === "run") return artifacts.ofRun(store.db, what.run.seq, "kept");
  const { pipeline, dataset } = what;
  return artifacts.list(store.db, { pipeline, states: ["live", "removed", "withdrawn"] }).filter(isOf(dataset));
}

function isOf(dataset: string | undefined): (row: { dataset: string | null }) => boolean {
  return (row) => dataset === undefined || (row.dataset ?? DEFAULT_DATASET) === dataset;
}

function noPipeline(store: Store, { pipeline, dataset }: Extract<Whole, { kind: "pipeline" }>): CofferError {
  const near = closest(pipeline, runs.pipelines(store.db));
  return new CofferError(
    "NOT_FOUND",
    `nothing in sight is of pipeline “${pipeline}”${dataset === undefined ? "" : ` and dataset “${dataset}”`}`,
    {
      hint: near && near !== pipeline ? `did you mean ${near}?` : "coffer ls --pipeline P lists what is in sight; nothing was changed",
      candidates: near && near !== pipeline ? [near] : [],
    },
  );
}

/** The row as it is now, inside the transaction that changes it: a sweep may have made it a tombstone since it was found. */
function stillThere(store: Store, { seq, id }: ArtifactRow): ArtifactRow {
  const row = artifacts.bySeq(store.db, seq);
  if (!row || row.state === "deleted")
    throw new CofferError("NOT_FOUND", `gc has just deleted ${id}`, { hint: "log it again; coffer show tells what it was" });
  return row;
}
