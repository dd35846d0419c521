import { ofRun } from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError, errno, EXIT, reason } from "../domain/error.ts";
import { parseAssignment } from "../domain/assignment.ts";
import { unlessReplaced } from "../domain/replaced-database.ts";
import { checkArtifactName, checkArtifactPath, checkName } from "../domain/names.ts";
import { ignoredSignals, holdSignals } from "../run/child/signals.ts";
import type { HeldSignals } from "../run/child/signals.ts";
import { inheritedDescriptors } from "../run/child/launch.ts";
import { beginCodeState } from "../run/code/pending-code.ts";
import type { PendingCode } from "../run/code/pending-code.ts";
import { runCommand } from "../run/run.ts";
import type { RunOutcome, RunRequest, Wrapper } from "../run/run.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import type { Kept } from "../run/finish.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import type { Call } from "./command.ts";
import type { Io } from "./io.ts";
import { parseContext } from "./context.ts";
import { writeManifests } from "./write-manifests.ts";
import { skipsArtifacts } from "../mlflow/http/environment.ts";

/** Milliseconds between a SIGTERM and the end of every process of the run. */
const GRACE_MS = 30_000;

const flags = {
  name: { type: "string", valueHint: "TEXT", description: "a name for the run" },
  note: { type: "string", valueHint: "TEXT", description: "what it is about" },
  policy: {
    type: "string",
    options: ["separated", "scratch"],
    description: "separated: the workspace stays; scratch: it goes once its outputs are durable",
  },
  output: { type: "string", valueHint: "GLOB", multiple: true, description: "keep only this of the workspace" },
  ignore: { type: "string", valueHint: "PATTERN", multiple: true, description: "leave this out, beside workspace.ignore" },
  retain: { type: "string", valueHint: "GLOB", multiple: true, description: "what a scratch workspace keeps, instead of workspace.retain" },
  register: {
    type: "string",
    valueHint: "NAME=PATH",
    multiple: true,
    description: "this output becomes the next version of NAME; a model, where its name tells no type",
  },
  input: { type: "string", valueHint: "REF|PATH", multiple: true, description: "what the command reads" },
  params: {
    type: "string",
    valueHint: "FILE",
    multiple: true,
    description: "read parameters from it, instead of params.json or params.yaml in the workspace",
  },
  metrics: {
    type: "string",
    valueHint: "FILE",
    multiple: true,
    description: "read metrics from it, instead of metrics.json in the workspace",
  },
  param: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a parameter" },
  tag: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a tag" },
  dataset: { type: "string", valueHint: "NAME", description: "the dataset that it works on" },
  pipeline: { type: "string", valueHint: "ID", description: "the pipeline that it is a step of" },
  step: { type: "string", valueHint: "N[.M]", description: "which step" },
  branch: { type: "string", valueHint: "N[:N…]", description: "on which branch" },
  fold: { type: "string", valueHint: "N|all", description: "for which fold" },
  capture: { type: "boolean", description: "keep what goes to a terminal too, through a pseudo-terminal" },
  "hash-ahead": { type: "boolean", description: "read finished outputs while the command goes on, whatever workspace.hash_ahead says" },
  "no-hash-ahead": { type: "boolean", description: "read no output before the command has ended (workspace.hash_ahead: false)" },
  "keep-failed": { type: "boolean", description: "keep what the run registered in sight even if it fails" },
  "untracked-ok": { type: "boolean", description: "if the store cannot be used, warn and run the command all the same" },
  attach: {
    type: "boolean",
    description: "make the MLflow run first, so that a command that uses MLflow itself logs to it, in coffer's experiment",
  },
  sync: {
    type: "string",
    options: ["never", "after", "required"],
    description:
      "deliver to MLflow when it has ended: after, for 30 s at most, or 5 s where no server answers; required, all of it, or 15 s; never",
  },
} as const;

export default command(
  {
    flags,
    takesRest: { name: "COMMAND …", description: "the command and its arguments, passed on as they are" },
    failsWith: EXIT.beforeChild,
    about: `The command finds its own directory in COFFER_WORKSPACE (and COFFER_RUN_ID, COFFER_ROOT, CORE_ARTIFACT_ROOT); what it leaves there becomes artifacts of the run. params.json, params.yaml and metrics.json are read.
What a run that fails registered is withdrawn (coffer restore brings it back until gc); its log, params and metrics stay, and so does its workspace.
What the command prints passes through unchanged and is kept as the run's log. With --json, its stdout is shown on stderr: stdout holds the one document about the run (coffer.run/1).`,
    examples: [
      ["coffer run -- python train.py --lr 0.1", "wrap a command"],
      [
        "coffer run --policy scratch --register churn-model=model.onnx -- ./train.sh",
        "remove the workspace on success, give the model a name",
      ],
      ["coffer run --attach -- python train.py", "a script that uses MLflow itself logs to the run that coffer delivers"],
      ["coffer run --pipeline p1 --step 3 --input raw-data@v2 -- python fit.py", "a step of a pipeline, and what it reads"],
    ],
    exits: {
      N: "the command's own code; 128 + n if signal n ended it",
      "3": "the command gave 0, and with --sync required something could not be delivered",
      "125": "coffer failed before the command began, or was called wrongly; with --sync required also where no server is configured",
      "126": "the command cannot be executed",
      "127": "the command was not found",
    },
  },
  async (call) => {
    // before anything is opened: later, our own descriptors cannot be told from inherited ones
    const descriptors = inheritedDescriptors();
    const ignored = ignoredSignals();
    using signals = holdSignals({ graceMs: GRACE_MS, ignored });
    const { io } = call;
    const wrapper: Wrapper = { signals, ignored, descriptors, say: io.say };
    if (!call.rest || call.rest.length === 0)
      throw new CofferError("USAGE", "there is no command to run", { hint: "put it behind “--”: coffer run -- python train.py" });
    const request = requestOf(call, call.rest);
    const { roots, values } = await io.settings(settingsOf(call));
    checkServer(values.tracking.mlflow);
    using code = beginCodeState({ cwd: io.cwd, env: io.env, exclude: Object.values(roots) });
    const tracked = await track(call, request, wrapper, code);
    if (!tracked) return await (await import("../run/untracked.ts")).runUntracked(request, wrapper);
    using store = tracked.store;
    // whatever ends this process from here on, it ends with the child's code
    process.exitCode = tracked.outcome.code;
    return await conclude(store, io, tracked.outcome, call.flags.sync, signals);
  },
);

/** A variable that was forgotten would look like a delivery. @throws CofferError NO_TRACKING_URI */
function checkServer({ sync, uri }: { sync: string; uri: string }): void {
  if (sync === "required" && uri.trim() === "")
    throw new CofferError("NO_TRACKING_URI", "delivery is required, and no MLflow server is configured", {
      hint: "set MLFLOW_TRACKING_URI, such as http://localhost:5000, or give --sync never",
    });
}

/** undefined: the store cannot be used, and the user said that the command is to run all the same. */
async function track(
  { flags: given, io }: Call<typeof flags>,
  request: RunRequest,
  wrapper: Wrapper,
  code: PendingCode,
): Promise<{ store: Store; outcome: RunOutcome } | undefined> {
  let store: Store | undefined;
  try {
    // the run's own rows come first: where they are not there, nothing was begun
    return await unlessReplaced(async () => {
      store?.[Symbol.dispose]();
      store = undefined;
      store = await io.openStore();
      return { store, outcome: await runCommand(store, request, wrapper, code) };
    });
  } catch (error) {
    store?.[Symbol.dispose]();
    const isStores = error instanceof CofferError ? error.code.startsWith("STORE_") : errno(error)?.startsWith("SQLITE_");
    if (!given["untracked-ok"] || !isStores) throw error;
    io.say.warn(`this run is not tracked: ${reason(error)}`);
    return undefined;
  }
}

/** After the child: whatever fails here is said, and the child's code stands. */
async function conclude(
  store: Store,
  io: Io,
  { code, run, kept, serverAway }: RunOutcome,
  flag: string | undefined,
  signals: HeldSignals,
): Promise<number> {
  if (kept) await attempt(io, "what is stored of it cannot be counted", async () => io.say.info(summary(store, run, kept)));
  await attempt(io, "the run's manifest could not be written", () => writeManifests(store));
  const sync = flag ?? store.settings.values.tracking.mlflow.sync;
  const delivered = await attempt(io, "the run could not be delivered", () => deliver(store, io, run, sync, signals, serverAway));
  if (io.json) await attempt(io, "the run cannot be shown", () => showRun(store, io, run));
  return code === 0 && sync === "required" && !delivered ? EXIT.partly : code;
}

/** @throws CofferError where something is left that had to be delivered */
async function deliver(store: Store, io: Io, run: RunRow, sync: string, signals: HeldSignals, away = false): Promise<void> {
  if (store.settings.values.tracking.mlflow.uri === "" || sync === "never") return;
  // not even its end could be recorded: whoever adopts it enqueues it
  if (run.state === "running")
    throw new CofferError("INCOMPLETE", "it could not be recorded", { hint: "coffer sync-mlflow sends it later" });
  const [{ deliverAfterRun }, { deliveryProgress }] = await Promise.all([
    import("../sync/deliver-after-run.ts"),
    import("./sync-mlflow/delivery-progress.ts"),
  ]);
  const progress = deliveryProgress(io);
  const say = (kind: "info" | "warn") => (words: string) => {
    progress.clear();
    io.say[kind](words);
  };
  const left = await deliverAfterRun(store, run, {
    sync: sync === "required" ? "required" : "after",
    env: io.env,
    say: { info: say("info"), warn: say("warn") },
    now: io.now,
    signal: signals.stop,
    away,
    hurried: run.state === "killed" && signals.received !== undefined,
    progress: progress.show,
  });
  progress.clear();
  if (left > 0 && sync === "required") throw new CofferError("INCOMPLETE", "some of it is left");
}

async function showRun(store: Store, io: Io, run: RunRow): Promise<void> {
  const { describeRun } = await import("../registry/describe-run.ts");
  io.print({ schema: "coffer.run/1", ...describeRun(store, run) }, () => "");
}

/** Whether it was done; what kept it from that is said. */
async function attempt(io: Io, what: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    io.say.error(`${what}: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) io.say.info(error.hint);
    return false;
  }
}

function summary(store: Store, run: RunRow, { artifacts, added }: Kept): string {
  const outputs = artifacts.filter((artifact) => artifact.role === "output");
  const logged = ofRun(store.db, run.seq).filter((artifact) => artifact.role === "logged");
  const before = logged.length === 0 ? "" : `; ${countOf(logged.length, "artifact")} logged before, ${formatBytes(sizeOf(logged))}`;
  const how = run.state === "finished" ? "" : ` (${run.signal ?? `exit ${run.exit_code}`})`;
  return `run ${run.id} ${run.state}${how}: ${countOf(outputs.length, "output")}, ${formatBytes(sizeOf(outputs))}${before}; the store grew by ${formatBytes(added.bytes)}${before && " at the end"}`;
}

function sizeOf(artifacts: readonly ArtifactRow[]): number {
  return artifacts.reduce((sum, artifact) => sum + artifact.size, 0);
}

function settingsOf({ flags: given }: Call<typeof flags>): Record<string, unknown> {
  return {
    "workspace.policy": given.policy,
    "workspace.hash_ahead": hashAhead(given["hash-ahead"], given["no-hash-ahead"]),
    "workspace.retain": given.retain.length > 0 ? given.retain : undefined,
    "tracking.mlflow.sync": given.sync,
  };
}

/** undefined: as the configuration has it. @throws CofferError USAGE */
function hashAhead(on: boolean, off: boolean): boolean | undefined {
  if (on && off) throw new CofferError("USAGE", "--hash-ahead and --no-hash-ahead contradict each other", { hint: "give one of them" });
  return on || off ? on : undefined;
}

function requestOf({ flags: given, io }: Call<typeof flags>, words: string[]): RunRequest {
  const dataset = given.dataset ?? (io.env["COFFER_DATASET"] || undefined);
  const context = parseContext({ pipeline: given.pipeline, step: given.step, branch: given.branch, fold: given.fold }, io.env);
  return {
    command: words,
    cwd: io.cwd,
    env: io.env,
    name: given.name === undefined ? undefined : checkName("run name", given.name),
    note: given.note,
    dataset: dataset === undefined ? undefined : checkName("dataset", dataset),
    ...context,
    inputs: given.input,
    outputs: given.output,
    ignore: given.ignore,
    register: registrations(given.register),
    paramFiles: given.params,
    metricFiles: given.metrics,
    params: given.param.map((text) => parseAssignment("param", text)),
    tags: given.tag.map((text) => parseAssignment("tag", text)),
    capture: given.capture,
    // with --json our stdout holds the one document
    shown: io.json ? 2 : 1,
    keepFailed: given["keep-failed"],
    skipArtifacts: skipsArtifacts(io.env),
    attach: given.attach,
  };
}

/** `NAME=PATH`: an output may get several names, and a name several outputs. */
function registrations(given: readonly string[]): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const text of given) {
    const [name, right] = parseAssignment("register", text);
    const path = checkArtifactPath(right.replace(/^(?:\.\/)+|\/+$/g, ""));
    names.set(path, [...(names.get(path) ?? []), checkArtifactName(name)]);
  }
  return names;
}
