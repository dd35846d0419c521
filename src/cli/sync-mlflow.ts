import { CofferError, EXIT } from "../domain/error.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import { resolveRun } from "../registry/resolve.ts";
import { deliver } from "../sync/deliver.ts";
import type { RunReport } from "../sync/report.ts";
import { enqueueMissing } from "../sync/enqueue-missing.ts";
import { preview } from "../sync/preview.ts";
import type { Preview } from "../sync/preview.ts";
import type { RunRow } from "../db/runs.ts";
import { command } from "./command.ts";
import { deliveryProgress } from "./delivery-progress.ts";
import type { Io } from "./io.ts";
import { table } from "./table.ts";
import { skipsArtifacts } from "../mlflow/environment.ts";

/** A server that says nothing for so long is away; one that has answered gets MLflow's own patience. */
const UNTIL_ANSWER_MS = 15_000;

export default command(
  {
    positionals: [{ name: "RUN", description: "only these runs, by id or the beginning of one", variadic: true }],
    flags: {
      uri: { type: "string", valueHint: "URI", description: "the tracking server (MLFLOW_TRACKING_URI)" },
      jobs: { type: "string", valueHint: "N", description: "uploads at once (tracking.mlflow.jobs)" },
      "dry-run": { type: "boolean", description: "say what would be sent; no request is made" },
      check: { type: "boolean", description: "look whether the server still has all that was synced, and send again what it lacks" },
      verify: {
        type: "string",
        valueHint: "size|bytes",
        description: "bytes: read every file back and compare it, those of synced runs as well",
      },
      restore: { type: "boolean", description: "bring back runs and experiments that were deleted on the server" },
    },
    about: `Sends what MLflow has not been told yet: runs, params, tags, metrics, artifacts, end states. Each run is read back, and counts as synced only if all of it is there. What could not be sent stays for the next time, and what was sent is not sent again.
On a disk that the server sees too, files are cloned or linked, not sent.`,
    examples: [
      ["coffer sync-mlflow", "deliver all that is waiting"],
      ["coffer sync-mlflow 0193c2e4 --uri http://localhost:5000", "one run, to this server"],
      ["coffer sync-mlflow --dry-run", "what is waiting"],
    ],
    exits: { "2": "no server is configured", "3": "something is left: the server was away, or refused it", "4": "there is no such run" },
  },
  async ({ flags, positionals, io }) => {
    const jobs = flags.jobs === undefined ? undefined : Number(flags.jobs);
    const settings = await io.settings({ "tracking.mlflow.uri": flags.uri, "tracking.mlflow.jobs": jobs });
    if (settings.values.tracking.mlflow.uri === "")
      throw new CofferError("NO_TRACKING_URI", "no MLflow server is configured", {
        hint: "set MLFLOW_TRACKING_URI, such as http://localhost:5000, or give --uri",
      });
    using store = await io.openStore({ make: false });
    const only = positionals.length === 0 ? undefined : new Set(positionals.map((ref) => resolveRun(store, ref).seq));
    const skipArtifacts = skipsArtifacts(io.env);
    const enqueue = (run: RunRow): void => void enqueueRun(store, run, { asked: true, skipArtifacts });
    if (flags["dry-run"]) {
      io.print(preview(store, enqueue, only), renderPlan);
      return EXIT.done;
    }
    const missing = enqueueMissing(store, enqueue, only);
    if (missing > 0) io.say.info(`${countOf(missing, "run")} of which this server had not been told`);
    if (skipArtifacts) io.say.info("MLFLOW_SKIP_ARTIFACT_LOGGING is set: files stay in the store");
    const progress = deliveryProgress(io);
    const words = (say: () => void): void => {
      progress.clear();
      say();
    };
    const report = await deliver(store, {
      env: io.env,
      ...(only && { runs: only }),
      skipArtifacts,
      check: flags.check,
      verify: verifyOf(flags.verify),
      restore: flags.restore,
      patience: { untilAnswer: UNTIL_ANSWER_MS },
      onRetry: (line) => words(() => io.say.info(line)),
      progress: progress.show,
      onRun: (run) => words(() => tell(io, run)),
    });
    progress.clear();
    io.print(report, ({ runs }) => runs.map(({ page }) => (page === null ? "" : `${page}\n`)).join(""));
    if (report.stopped !== null && report.runs.every(({ error }) => error?.message !== report.stopped)) io.say.error(report.stopped);
    if (report.left > 0)
      io.say.warn(`${countOf(report.left, "run")} not wholly delivered; what is left stays for the next coffer sync-mlflow`);
    else if (flags.check || flags.restore || flags.verify === "bytes")
      io.say.info(
        `${countOf(report.checked, "synced run")} looked at; ${report.runs.length === 0 ? "the server has all of it" : `${countOf(report.runs.length, "run")} sent again or for the first time`}`,
      );
    else if (report.runs.length === 0) io.say.info(`nothing is waiting for ${report.target}`);
    return report.left > 0 ? EXIT.partly : EXIT.done;
  },
);

function tell(io: Io, { run, state, sent, notes, error }: RunReport): void {
  for (const note of notes) io.say.warn(`run ${run}: ${note}`);
  const what = `${countOf(sent.params, "param")}, ${countOf(sent.metrics, "metric point")}, ${countOf(sent.files, "file")} (${formatBytes(sent.bytes)}${waysOf(sent.how)})`;
  if (state === "synced") io.say.success(`run ${run} is synced: ${what}`);
  else if (state === "withheld") io.say.info(`run ${run} is delivered but for its files: ${what}`);
  else if (state === "running") io.say.info(`run ${run} goes on; it is delivered when it has ended`);
  else {
    io.say.error(`run ${run} is ${state}: ${error?.message ?? "not all of it could be sent"}`);
    if (error?.hint) io.say.info(error.hint);
  }
}

function verifyOf(given = "size"): "size" | "bytes" {
  if (given === "size" || given === "bytes") return given;
  throw new CofferError("USAGE", `--verify ${given}: not a way to verify`, { hint: "give size or bytes" });
}

/** `, 3 by link`: what took another way than the network. */
function waysOf(how: Record<string, number>): string {
  return Object.entries(how)
    .filter(([way]) => way !== "put")
    .map(([way, count]) => (way === "there" ? `; ${count} were there` : `; ${count} by ${way}`))
    .join("");
}

function renderPlan({ runs }: Preview): string {
  const rows = runs.map((row) => [
    row.run,
    row.experiment,
    row.remote_run === null ? "new" : "known",
    String(row.params),
    String(row.metrics),
    String(row.files),
    formatBytes(row.bytes),
  ]);
  return table(["RUN", "EXPERIMENT", "THERE", "PARAMS", "METRICS", "FILES", "BYTES"], rows, "nothing is waiting");
}
