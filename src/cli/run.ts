import { CofferError, EXIT, reason } from "../domain/error.ts";
import { parseAssignment } from "../domain/assignment.ts";
import { checkArtifactName, checkArtifactPath, checkName } from "../domain/names.ts";
import { ignoredSignals, holdSignals } from "../run/signals.ts";
import { inheritedDescriptors } from "../run/launch.ts";
import { runCommand } from "../run/run.ts";
import type { RunOutcome, RunRequest } from "../run/run.ts";
import { runUntracked } from "../run/untracked.ts";
import { formatBytes } from "../domain/quantity.ts";
import { describeRun } from "../registry/describe.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import type { Call } from "./command.ts";
import type { Io } from "./io.ts";
import { parseContext } from "./context.ts";
import { writeManifests } from "./write-manifests.ts";

/** Milliseconds between a SIGTERM and the end of every process of the run. */
const GRACE_MS = 30_000;

const flags = {
  name: { type: "string", valueHint: "TEXT", description: "a name for the run" },
  note: { type: "string", valueHint: "TEXT", description: "what it is about" },
  policy: { type: "string", options: ["separated", "scratch"], description: "separated: the workspace stays; scratch: it goes once its outputs are durable" },
  output: { type: "string", valueHint: "GLOB", multiple: true, description: "keep only this of the workspace" },
  ignore: { type: "string", valueHint: "PATTERN", multiple: true, description: "leave this out, beside workspace.ignore" },
  retain: { type: "string", valueHint: "GLOB", multiple: true, description: "what a scratch workspace keeps, instead of workspace.retain" },
  register: { type: "string", valueHint: "NAME=PATH", multiple: true, description: "this output becomes the next version of NAME" },
  input: { type: "string", valueHint: "REF|PATH", multiple: true, description: "what the command reads" },
  params: { type: "string", valueHint: "FILE", multiple: true, description: "read parameters from it, instead of params.json or params.yaml in the workspace" },
  metrics: { type: "string", valueHint: "FILE", multiple: true, description: "read metrics from it, instead of metrics.json in the workspace" },
  param: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a parameter" },
  tag: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a tag" },
  dataset: { type: "string", valueHint: "NAME", description: "the dataset that it works on" },
  pipeline: { type: "string", valueHint: "ID", description: "the pipeline that it is a step of" },
  step: { type: "string", valueHint: "N[.M]", description: "which step" },
  branch: { type: "string", valueHint: "N[:N…]", description: "on which branch" },
  fold: { type: "string", valueHint: "N|all", description: "for which fold" },
  capture: { type: "boolean", description: "keep what goes to a terminal too, through a pseudo-terminal" },
  "keep-failed": { type: "boolean", description: "keep what the run registered in sight even if it fails" },
  "untracked-ok": { type: "boolean", description: "if the store cannot be used, warn and run the command all the same" },
  sync: { type: "string", options: ["never", "after", "required"], description: "deliver to MLflow when it has ended" },
} as const;

export default command(
  {
    flags,
    takesRest: { name: "COMMAND …", description: "the command and its arguments, passed on as they are" },
    failsWith: EXIT.beforeChild,
    about: `The child finds its own directory in COFFER_WORKSPACE (and COFFER_RUN_ID, COFFER_ROOT, CORE_ARTIFACT_ROOT); what it leaves there becomes artifacts of the run. params.json, params.yaml and metrics.json are read.
What a run that fails registered is withdrawn (coffer restore brings it back until gc); its log, params and metrics stay, and so does its workspace.`,
    examples: [
      ["coffer run -- python train.py --lr 0.1", "wrap a command"],
      ["coffer run --policy scratch --register churn-model=model.onnx -- ./train.sh", "remove the workspace on success, give the model a name"],
      ["coffer run --pipeline p1 --step 3 --input raw-data@v2 -- python fit.py", "a step of a pipeline, and what it reads"],
    ],
    exits: {
      "N": "the command's own code; 128 + n if signal n ended it",
      "3": "the command gave 0, and with --sync required something could not be delivered",
      "125": "coffer failed before the command began, or was called wrongly",
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
    const wrapper = { signals, ignored, descriptors, say: io.say };
    if (!call.rest?.[0]) throw new CofferError("USAGE", "there is no command to run", { hint: "put it behind “--”: coffer run -- python train.py" });
    let store: Store | undefined;
    let outcome: RunOutcome;
    try {
      const request = requestOf(call, call.rest);
      await io.settings({ "workspace.policy": call.flags.policy, "workspace.retain": call.flags.retain.length > 0 ? call.flags.retain : undefined, "tracking.mlflow.sync": call.flags.sync });
      try {
        store = await io.openStore();
      } catch (error) {
        if (!call.flags["untracked-ok"] || !(error instanceof CofferError)) throw error;
        io.say.warn(`this run is not tracked: ${error.message}`);
        return await runUntracked(request, wrapper);
      }
      outcome = await runCommand(store, request, wrapper);
    } catch (error) {
      store?.[Symbol.dispose]();
      throw error;
    }
    using opened = store;
    return await conclude(opened, io, outcome, call.flags.sync);
  },
);

/** After the child: whatever fails here is said, and the child's code stands. */
async function conclude(store: Store, io: Io, outcome: RunOutcome, sync: string | undefined): Promise<number> {
  const { run, kept } = outcome;
  let code = outcome.code;
  try {
    if (kept) {
      const outputs = kept.artifacts.filter((artifact) => artifact.role === "output");
      const size = outputs.reduce((sum, artifact) => sum + artifact.size, 0);
      io.say.info(`run ${run.id} ${run.state}${run.state === "finished" ? "" : ` (${run.signal ?? `exit ${run.exit_code}`})`}: ${outputs.length} ${outputs.length === 1 ? "output" : "outputs"}, ${formatBytes(size)}, ${formatBytes(kept.added.bytes)} of them new`);
    }
    await writeManifests(store);
    const { uri } = store.settings.values.tracking.mlflow;
    const wish = sync ?? store.settings.values.tracking.mlflow.sync;
    if (uri !== "" && wish !== "never") {
      const { deliverAfterRun } = await import("../sync/deliver-after-run.ts");
      const left = await deliverAfterRun(store, run, { sync: wish === "required" ? "required" : "after", env: io.env, say: io.say, now: io.now });
      if (left > 0 && wish === "required" && code === 0) code = EXIT.partly;
    }
    if (io.json) io.print({ schema: "coffer.run/1", ...describeRun(store, run) }, () => "");
  } catch (error) {
    io.say.error(`after the run: ${reason(error)}`);
    if (error instanceof CofferError && error.hint) io.say.info(error.hint);
  }
  return code;
}

function requestOf({ flags: given, io }: Call<typeof flags>, words: string[]): RunRequest {
  const context = parseContext({ pipeline: given.pipeline, step: given.step, branch: given.branch, fold: given.fold }, io.env);
  return {
    command: words,
    cwd: io.cwd,
    env: io.env,
    name: given.name === undefined ? undefined : checkName("run name", given.name),
    note: given.note,
    dataset: given.dataset === undefined ? undefined : checkName("dataset", given.dataset),
    ...context,
    inputs: given.input,
    outputs: given.output,
    ignore: given.ignore,
    register: new Map(given.register.map(registration)),
    paramFiles: given.params,
    metricFiles: given.metrics,
    params: given.param.map((text) => parseAssignment("param", text)),
    tags: given.tag.map((text) => parseAssignment("tag", text)),
    capture: given.capture,
    keepFailed: given["keep-failed"],
    skipArtifacts: io.env["MLFLOW_SKIP_ARTIFACT_LOGGING"]?.toLowerCase() === "true",
  };
}

function registration(text: string): [path: string, name: string] {
  const [name, path] = parseAssignment("register", text);
  return [checkArtifactPath(path.replace(/\/+$/, "")), checkArtifactName(name)];
}

