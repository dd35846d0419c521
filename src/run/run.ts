import { join } from "node:path";
import type { RunRow } from "../db/runs.ts";
import * as runs from "../db/runs.ts";
import * as events from "../db/events.ts";
import { CofferError, reason } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { settleMoved } from "../store/ingest.ts";
import { dropLease, staging } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { beginRun, childVariables, discardWorkspace, nameChild } from "./begin.ts";
import type { Begun } from "./begin.ts";
import { spawnChild } from "./child.ts";
import type { Child, ChildEnd } from "./child.ts";
import { readCodeState } from "./code-state.ts";
import type { CodeState } from "./code-state.ts";
import { emptyWorkspace, snapshotWorkspace } from "./empty-workspace.ts";
import type { Snapshot } from "./empty-workspace.ts";
import { endOf, keepOutputs, recordEndOnly } from "./finish.ts";
import type { End, Kept } from "./finish.ts";
import { findCommand } from "./find-command.ts";
import { openOutputLog } from "./open-output-log.ts";
import type { OutputEnd, OutputLog } from "./output-log.ts";
import type { HeldSignals } from "./signals.ts";

export interface RunRequest {
  /** What stood behind `--`. */
  command: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string | undefined>>;
  name?: string | undefined;
  note?: string | undefined;
  dataset?: string | undefined;
  pipeline?: string | undefined;
  branch?: readonly number[] | undefined;
  step?: { step: number; subStep: number | null } | undefined;
  /** null is `all`. */
  fold?: number | null | undefined;
  inputs: readonly string[];
  /** Globs; none: everything that no rule leaves out. */
  outputs: readonly string[];
  /** Left out, beside the configuration's own rules. */
  ignore: readonly string[];
  /** Path within the workspace → the name of which it becomes a version. */
  register: ReadonlyMap<string, string>;
  paramFiles: readonly string[];
  metricFiles: readonly string[];
  params: readonly (readonly [string, string])[];
  tags: readonly (readonly [string, string])[];
  capture: boolean;
  keepFailed: boolean;
  skipArtifacts: boolean;
}

/** What the wrapper needs of the process it runs in; taken at the very start. */
export interface Wrapper {
  signals: HeldSignals;
  ignored: readonly number[];
  descriptors: readonly number[];
  say: { info(words: string): void; warn(words: string): void; error(words: string): void };
}

export interface RunOutcome {
  /** What `coffer run` exits with. */
  code: number;
  run: RunRow;
  /** undefined where the outputs could not be stored. */
  kept: Kept | undefined;
}

/**
 * Wraps a command as a run.
 *
 * 1. the command is looked up; 2. run, lease and workspace are made; 3. the code's state is captured; 4. the child runs; 5. outputs and end are stored
 * in one transaction; 6. a scratch workspace goes. Whatever happens to us from 4 on, the child's code stands.
 * @throws CofferError before the child began, with nothing left behind
 */
export async function runCommand(store: Store, request: RunRequest, wrapper: Wrapper): Promise<RunOutcome> {
  findCommand(request.command, request.cwd, request.env);
  const begun = await beginRun(store, request);
  let output: OutputLog;
  let child: Child;
  let code: CodeState | undefined;
  try {
    const directory = staging(store, begun.lease);
    code = await readCodeState({ cwd: request.cwd, env: request.env, exclude: [store.root, ...Object.values(store.settings.roots)], captureTo: join(directory, "code.tar") });
    output = await openOutputLog({ directory, capture: request.capture });
    try {
      child = spawnChild({ ...request, ...wrapper, extraEnv: childVariables(store, begun), streams: output.streams, now: () => store.now() });
    } catch (error) {
      output.abandon();
      throw error;
    }
  } catch (error) {
    forgetRun(store, begun);
    throw error;
  }
  nameChild(store, begun.lease, child.who);
  output.started(child.terminal);
  const ended = await child.ended;
  const logged = await output.finish(wrapper.signals.stop);
  return settleRun(store, begun, request, wrapper, { child, ended, logged, code });
}

async function settleRun(store: Store, begun: Begun, request: RunRequest, { signals, say }: Wrapper, happened: { child: Child; ended: ChildEnd; logged: OutputEnd; code: CodeState | undefined }): Promise<RunOutcome> {
  const { ended } = happened;
  const end = endOf(ended, signals.received);
  try {
    const isScratch = store.settings.values.workspace.policy === "scratch" && end.state === "finished";
    const snapshot = isScratch ? snapshotWorkspace(begun.workspace) : undefined;
    const kept = await keepOutputs(store, begun, request, end, { childPid: happened.child.pid, output: happened.logged, code: happened.code });
    for (const note of kept.notes) say.warn(note);
    sayWhatStays(store, begun, end, kept, snapshot, say);
    return { code: ended.code, run: kept.run, kept };
  } catch (error) {
    recordEndOnly(store, begun, end, error);
    say.error(`the outputs could not be stored: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) say.info(error.hint);
    say.info(`the workspace stays as it is: ${begun.workspace}`);
    return { code: ended.code, run: runs.bySeq(store.db, begun.run.seq) ?? begun.run, kept: undefined };
  }
}

function sayWhatStays(store: Store, begun: Begun, end: End, kept: Kept, snapshot: Snapshot | undefined, say: Wrapper["say"]): void {
  const { workspace } = begun;
  if (end.state !== "finished") {
    for (const artifact of kept.withdrawn) say.info(`withdrawn, since the run ${end.state}: ${artifact.name === null ? artifact.path : `${artifact.name}@v${artifact.version}`}`);
    say.info(`the workspace stays: ${workspace}`);
  } else if (snapshot && kept.incomplete) say.warn(`not all of it could be stored, so the workspace stays as it is: ${workspace}`);
  else if (snapshot) removeScratch(store, begun, kept, snapshot, say);
}

/** The outputs are durable and their rows committed: now, and only now, the workspace goes. */
function removeScratch(store: Store, { run, workspace }: Begun, kept: Kept, snapshot: Snapshot, say: Wrapper["say"]): void {
  store.transaction(() => runs.update(store.db, run.seq, { workspace_state: "removing" }));
  const { retain } = store.settings.values.workspace;
  const emptied = emptyWorkspace(workspace, snapshot, { retain, isLeftOut: (path) => kept.outputs.isLeftOut(path) });
  settleMoved(store, kept.moved);
  store.transaction(() => {
    runs.update(store.db, run.seq, { workspace_state: emptied.gone ? "removed" : "present" });
    for (const path of emptied.late) events.record(store.db, { at: store.now(), run: run.seq, kind: "kept", message: `${path} changed after the outputs were read, and stays in the workspace` });
    for (const problem of emptied.problems) events.record(store.db, { at: store.now(), run: run.seq, kind: "kept", message: `${problem.path} could not be removed: ${problem.why}` });
    if (emptied.leftOut.files > 0)
      events.record(store.db, { at: store.now(), run: run.seq, kind: "deleted", message: `${emptied.leftOut.files} files (${formatBytes(emptied.leftOut.bytes)}) that your rules leave out went with the workspace` });
  });
  const also = emptied.leftOut.files > 0 ? `; ${emptied.leftOut.files} files (${formatBytes(emptied.leftOut.bytes)}) that your rules leave out went with it` : "";
  if (emptied.gone) say.info(`the workspace was removed${also}`);
  else say.info(`the workspace was emptied${also}; ${[...emptied.retained, ...emptied.late, ...emptied.problems.map((problem) => problem.path)].join(", ") || "something"} stays in ${workspace}`);
}

/** The command could not be started: there was no run. */
function forgetRun(store: Store, { run, lease, workspace }: Begun): void {
  dropLease(store, lease);
  store.transaction(() => runs.forget(store.db, run.seq));
  discardWorkspace(workspace);
}
