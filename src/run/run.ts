import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RunRow } from "../db/records/runs.ts";
import * as runs from "../db/records/runs.ts";
import { reason } from "../domain/error.ts";
import { syncPoint } from "../domain/sync-point.ts";
import { shownName } from "../registry/shown-name.ts";
import { clearStaging } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import { startReadingAhead } from "./ahead/start.ts";
import type { Attachment } from "./attach.ts";
import { beginRun, childVariables, discardWorkspace, forgetBegun, recordStart } from "./begin.ts";
import type { Begun } from "./begin.ts";
import { spawnChild } from "./child/child.ts";
import type { Child } from "./child/child.ts";
import type { CodeState } from "./code/code-state.ts";
import type { Snapshot } from "./workspace/empty-workspace.ts";
import type { End, Ended, Kept } from "./finish.ts";
import { findCommand } from "./child/find-command.ts";
import { openOutputLog } from "./terminal/open-output-log.ts";
import type { OutputEnd, OutputLog } from "./terminal/output-log.ts";
import type { PendingCode } from "./code/pending-code.ts";
import type { HeldSignals } from "./child/signals.ts";

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
  /** Path within the workspace → the names of which it becomes a version. */
  register: ReadonlyMap<string, readonly string[]>;
  paramFiles: readonly string[];
  metricFiles: readonly string[];
  params: readonly (readonly [string, string])[];
  tags: readonly (readonly [string, string])[];
  capture: boolean;
  /** Where the child's stdout is shown: 2 where our own stdout is for data. */
  shown: 1 | 2;
  keepFailed: boolean;
  skipArtifacts: boolean;
  /** MLflow's run is made first, and the child told of it. */
  attach?: boolean;
}

/** What the wrapper needs of the process it runs in; taken at the very start. */
export interface Wrapper {
  signals: HeldSignals;
  ignored: readonly number[];
  descriptors: readonly number[];
  say: Record<"debug" | "info" | "warn" | "error", (words: string) => void>;
}

export interface RunOutcome {
  /** What `coffer run` exits with. */
  code: number;
  run: RunRow;
  /** undefined where the outputs could not be stored. */
  kept: Kept | undefined;
  /** The MLflow server could not be reached when the command was to be attached. */
  serverAway?: boolean;
}

/**
 * Wraps a command as a run.
 *
 * 1. the command is looked up; 2. run, lease and workspace are made; 3. the code's state is captured, and MLflow's run is made if the child is to log to it; 4. the child runs; 5. outputs and end are stored
 * in one transaction; 6. a scratch workspace goes. Whatever happens to us from 4 on, the child's code stands.
 * @throws CofferError before the child began, with nothing left behind
 */
export async function runCommand(store: Store, request: RunRequest, wrapper: Wrapper, pending: PendingCode): Promise<RunOutcome> {
  findCommand(request.command, request.cwd, request.env);
  const begun = await beginRun(store, request);
  const started = await start(store, begun, request, wrapper, pending);
  const { child, output, code, serverAway } = started;
  syncPoint("run.started");
  try {
    output.started(child.terminal);
    recordStart(store, begun, request, child.who);
    syncPoint("run.start-recorded");
  } catch (error) {
    wrapper.say.warn(`the command runs, but not all of it will be recorded: ${reason(error)}`);
  }
  const ahead = startReadingAhead(store, begun, request);
  // what is needed when the child has ended is loaded while it works
  const { endOf } = await import("./finish.ts");
  const ended = await child.ended;
  const reading = ahead.end();
  const end = endOf(ended, wrapper.signals.received);
  const logged = await finishOutput(output, wrapper);
  syncPoint("run.ended");
  const isScratch = store.settings.values.workspace.policy === "scratch" && end.state === "finished";
  const snapshot = isScratch ? (await import("./workspace/empty-workspace.ts")).snapshotWorkspace(begun.workspace) : undefined;
  const found = await reading;
  const outcome = await settleRun(store, begun, request, wrapper, ended.code, end, {
    childPid: child.pid,
    output: logged,
    code,
    snapshot,
    ahead: found,
  });
  wrapper.say.debug(found?.words() ?? "nothing was read ahead");
  return { ...outcome, serverAway };
}

async function start(
  store: Store,
  begun: Begun,
  request: RunRequest,
  wrapper: Wrapper,
  pending: PendingCode,
): Promise<{ child: Child; output: OutputLog; code: CodeState; serverAway: boolean }> {
  let attached: Attachment | undefined;
  try {
    const directory = makeStaging(store, begun);
    const output = await openOutputLog({ directory, capture: request.capture, shown: request.shown });
    try {
      const code = await pending.read(join(directory, "code.tar"));
      if (request.attach) attached = await (await import("./attach.ts")).attach(store, begun, request, wrapper, code);
      syncPoint("run.prepared");
      const child = spawnChild({
        ...request,
        ...wrapper,
        extraEnv: { ...attached?.variables, ...childVariables(store, begun) },
        streams: output.streams,
        now: () => store.now(),
      });
      return { child, output, code, serverAway: attached?.away ?? false };
    } catch (error) {
      output.abandon();
      throw error;
    }
  } catch (error) {
    await attached?.undo();
    forgetRun(store, begun);
    throw error;
  }
}

/** The lease's staging directory; what is in it now is worthless after a crash of the machine, so it is not flushed. */
function makeStaging(store: Store, { lease }: Begun): string {
  const directory = store.path("tmp", lease.token);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** The log may have gone meanwhile: a child can remove the whole store. */
async function finishOutput(output: OutputLog, { signals }: Wrapper): Promise<OutputEnd> {
  try {
    return await output.finish(signals.stop);
  } catch (error) {
    return { logs: [], notes: [`what the command printed was not kept: ${reason(error)}`] };
  }
}

async function settleRun(
  store: Store,
  begun: Begun,
  request: RunRequest,
  { say }: Wrapper,
  code: number,
  end: End,
  ended: Ended,
): Promise<RunOutcome> {
  const { keepOutputs } = await import("./finish.ts");
  let kept: Kept;
  try {
    kept = await keepOutputs(store, begun, request, end, ended);
  } catch (error) {
    say.error(`the outputs could not be stored: ${reason(error)}`);
    const [{ recordWithoutOutputs }, { unstoredWords }] = await Promise.all([
      import("./outputs/record-without-outputs.ts"),
      import("./outputs/unstored-words.ts"),
    ]);
    for (const words of recordWithoutOutputs(store, begun, request, end, ended, error)) say.warn(words);
    for (const words of unstoredWords(store, begun, request, end, error)) say.info(words);
    return { code, run: lookAgain(store, begun), kept: undefined };
  }
  for (const note of kept.notes) say.warn(note);
  for (const artifact of kept.withdrawn) say.info(`withdrawn, since the run ${end.state}: ${shownName(artifact)}`);
  if (ended.snapshot) await endScratch(store, begun, kept, ended.snapshot, say);
  else if (end.state !== "finished" && kept.run.workspace_state === "present") say.info(`the workspace stays: ${begun.workspace}`);
  return { code, run: lookAgain(store, begun), kept };
}

async function endScratch(
  store: Store,
  { run, lease, workspace }: Begun,
  kept: Kept,
  snapshot: Snapshot,
  say: Wrapper["say"],
): Promise<void> {
  try {
    const { clearScratch, leftOutWords } = await import("./workspace/clear-scratch.ts");
    const { incomplete, moved, outputs } = kept;
    const { gone, stays, leftOut, warnings } = await clearScratch(store, {
      run,
      lease,
      workspace,
      snapshot,
      moved,
      incomplete,
      isLeftOut: outputs.isLeftOut,
    });
    for (const warning of warnings) say.warn(warning);
    if (incomplete) return say.warn(`not all of it could be stored, so the workspace stays as it is: ${workspace}`);
    const also = leftOut.files > 0 ? `; ${leftOutWords(leftOut)} that your rules leave out went with it` : "";
    if (gone) say.info(`the workspace was removed${also}`);
    else say.info(`the workspace was emptied${also}; ${stays.join(", ") || "something"} stays in ${workspace}`);
  } catch (error) {
    // the next command ends it
    if (!existsSync(workspace)) return say.warn(`the workspace was removed, and that could not be recorded: ${reason(error)}`);
    say.error(`all is stored, but the workspace could not be removed: ${reason(error)}`);
    say.info(`it is ${workspace}`);
  }
}

function lookAgain(store: Store, { run }: Begun): RunRow {
  try {
    return runs.bySeq(store.db, run.seq) ?? run;
  } catch {
    return run;
  }
}

/** The command could not be started: there was no run. */
function forgetRun(store: Store, begun: Begun): void {
  discardWorkspace(begun.workspace);
  syncPoint("run.workspace-discarded");
  forgetBegun(store, begun);
  clearStaging(store, begun.lease);
}
