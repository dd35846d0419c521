import type { RunRow } from "../db/records/runs.ts";
import { CofferError, EXIT } from "../domain/error.ts";
import { countOf, parseDuration } from "../domain/quantity.ts";
import { connect } from "../mlflow/http/connection.ts";
import { skipsArtifacts } from "../mlflow/http/environment.ts";
import { enqueueRun } from "../registry/enqueue.ts";
import { deliver } from "../sync/deliver.ts";
import { enqueueMissing, missingRuns } from "../sync/pending/enqueue-missing.ts";
import { AWAY_MS } from "../sync/patience.ts";
import type { DeliveryReport } from "../sync/report.ts";
import { takeBack } from "../sync/record/take-back.ts";
import { command } from "./command.ts";
import type { Values } from "./command.ts";
import { adoptDead } from "./io.ts";
import type { Io } from "./io.ts";
import { catchStopSignal } from "./stop-signal.ts";
import { hear } from "./sync-mlflow/hear.ts";
import { hintAtExperiment, SELECT_FLAGS, selectRuns } from "./sync-mlflow/select-runs.ts";

const INTERVAL_MS = 2_000;
const LEAST_INTERVAL_MS = 100;

const flags = {
  uri: { type: "string", valueHint: "URI", description: "the tracking server (MLFLOW_TRACKING_URI)" },
  jobs: { type: "string", valueHint: "N", description: "uploads at once (tracking.mlflow.jobs)" },
  "dry-run": { type: "boolean", description: "say what would be sent, with --verbose each file; no request is made" },
  watch: {
    type: "boolean",
    description: "follow runs that go on: what they log is sent at once; ends when all have ended and are delivered",
  },
  interval: { type: "string", valueHint: "DURATION", description: "with --watch: how often to look for something new (2s)" },
  stay: { type: "boolean", description: "with --watch: wait for runs that begin later, until interrupted" },
  events: { type: "boolean", description: "print what happens as JSON Lines on stdout, and the document of --json as the last one" },
  check: { type: "boolean", description: "look whether the server still has all that was synced, and send again what it lacks" },
  verify: {
    type: "string",
    valueHint: "size|bytes",
    description: "bytes: read every file back and compare it, those of synced runs as well",
  },
  restore: { type: "boolean", description: "bring back runs and experiments that were deleted on the server" },
  forget: { type: "string", valueHint: "URI", description: "give up all that waits for this server; with --dry-run only list it" },
  ...SELECT_FLAGS,
} as const;

export default command(
  {
    positionals: [{ name: "RUN", description: "only these runs, by id or the beginning of one", variadic: true }],
    flags,
    about: `Sends what MLflow has not been told yet: runs, params, tags, metrics, artifacts, end states. Each run is read back, and counts as synced only if all of it is there. What could not be sent stays for the next time, and what was sent is not sent again.
On a disk that the server sees too, files are cloned or linked, not sent.
With --watch a server that is away is waited for. Ctrl-C ends it: what is left stays for the next time.`,
    examples: [
      ["coffer sync-mlflow", "deliver all that is waiting"],
      ["coffer sync-mlflow 0193c2e4 --uri http://localhost:5000", "one run, to this server"],
      ["coffer sync-mlflow --pipeline churn --since 7d --dry-run", "what of a pipeline's last week is waiting"],
      ["coffer sync-mlflow --forget http://localhost:5999", "what waits for a server that is gone, or was mistyped, is given up"],
      ["coffer sync-mlflow --watch", "metrics appear on the server while runs go on"],
    ],
    exits: {
      "2": "no server is configured",
      "3": "something is left: the server was away, or refused it",
      "4": "there is no such run",
      "130": "interrupted; what is left stays",
      "143": "the same by SIGTERM",
    },
  },
  async ({ flags: given, positionals, io }) => {
    if (given.forget !== undefined) return (await import("./sync-mlflow/forget.ts")).forget(io, given.forget, given, positionals);
    const { interval, verify } = readWords(given);
    const jobs = given.jobs === undefined ? undefined : Number(given.jobs);
    const settings = await io.settings({ "tracking.mlflow.uri": given.uri, "tracking.mlflow.jobs": jobs });
    if (settings.values.tracking.mlflow.uri === "")
      throw new CofferError("NO_TRACKING_URI", "no MLflow server is configured", {
        hint: "set MLFLOW_TRACKING_URI, such as http://localhost:5000, or give --uri",
      });
    // wrong variables are said before anything waits for a server that cannot be
    connect({ uri: settings.values.tracking.mlflow.uri, env: io.env });
    using store = await io.openStore({ make: false });
    const only = selectRuns(store, positionals, given, io.now());
    hintAtExperiment(io, store, given.experiment);
    const skipArtifacts = skipsArtifacts(io.env);
    const enqueue = (run: RunRow): void => void enqueueRun(store, run, { asked: true, skipArtifacts });
    if (given["dry-run"]) {
      const [{ preview }, { planText }] = await Promise.all([import("../sync/pending/preview.ts"), import("./sync-mlflow/plan-text.ts")]);
      io.print(await preview(store, enqueue, { only, skipArtifacts }), (plan) => planText(plan, io.verbose));
      return EXIT.done;
    }
    const missing = missingRuns(store, only);
    enqueueMissing(store, enqueue, only);
    if (missing.length > 0) io.say.info(`${countOf(missing.length, "run")} of which this server had not been told`);
    if (skipArtifacts) io.say.info("MLFLOW_SKIP_ARTIFACT_LOGGING is set: files stay in the store");
    const stop = catchStopSignal();
    const hearing = hear(io, given.events);
    const options = {
      ...hearing,
      env: io.env,
      ...(only && { runs: only }),
      skipArtifacts,
      patience: { untilAnswer: AWAY_MS },
      signal: stop.signal,
    };
    let report: DeliveryReport;
    if (given.watch) {
      const { watch } = await import("../sync/watch.ts");
      report = await watch(store, { ...options, interval, stay: given.stay, enqueue, tend: () => adoptDead(store, io) });
    } else report = await deliver(store, { ...options, check: given.check, verify, restore: given.restore });
    hearing.end();
    if (given.events) io.write(`${JSON.stringify(report)}\n`);
    else io.print(report, ({ runs }) => runs.map(({ page }) => (page === null ? "" : `${page}\n`)).join(""));
    sumUp(io, report, { asked: given.check || given.restore || verify === "bytes", watched: given.watch, interrupted: stop.isThere() });
    // whoever names a server for one call may have mistyped it
    const isNamed = ["flag", "environment"].includes(settings.origin("tracking.mlflow.uri").source);
    const back = isNamed && report.left > 0 ? takeBack(store, missing) : 0;
    if (back > 0)
      io.say.info(
        `${report.target} has never taken anything: ${countOf(back, "run")} that nobody had sent there before ${back === 1 ? "does" : "do"} not wait for it`,
      );
    if (stop.isThere()) return stop.exit();
    return report.left > 0 ? EXIT.partly : EXIT.done;
  },
);

function sumUp(
  { say }: Io,
  report: DeliveryReport,
  { asked, watched, interrupted }: { asked: boolean; watched: boolean; interrupted: boolean },
): void {
  const { runs, stopped, left, checked, target } = report;
  if (stopped !== null && !interrupted && runs.every(({ error }) => error?.message !== stopped)) say.error(stopped);
  if (left > 0) say.warn(`${countOf(left, "run")} not wholly delivered; nothing is lost: run it again to send what is left`);
  else if (interrupted) say.info("interrupted; nothing was lost");
  else if (asked)
    say.info(
      `${countOf(checked, "synced run")} looked at; ${runs.length === 0 ? "the server has all of it" : `${countOf(runs.length, "run")} sent again or for the first time`}`,
    );
  else if (runs.length === 0) say.info(`nothing is waiting for ${target}${watched ? ", and no run goes on; --stay waits for one" : ""}`);
}

/** @throws CofferError USAGE, VALUE_INVALID */
function readWords(given: Values<typeof flags>): { interval: number; verify: "size" | "bytes" } {
  const { verify = "size", watch, interval } = given;
  if (verify !== "size" && verify !== "bytes")
    throw new CofferError("USAGE", `--verify ${verify}: not a way to verify`, { hint: "give size or bytes" });
  const other = (["dry-run", "check", "restore", "verify"] as const).find((flag) => given[flag] !== undefined && given[flag] !== false);
  if (watch && other) throw new CofferError("USAGE", `--watch does not go with --${other}`, { hint: "call them one after the other" });
  if (!watch && (given.stay || interval !== undefined))
    throw new CofferError("USAGE", `--${given.stay ? "stay" : "interval"} goes with --watch`, { hint: "add --watch, or leave it out" });
  if (given["dry-run"] && given.events)
    throw new CofferError("USAGE", "--events does not go with --dry-run", { hint: "give --json, which lists every file" });
  const parsed = interval === undefined ? INTERVAL_MS : parseDuration(interval);
  if (parsed < LEAST_INTERVAL_MS)
    throw new CofferError("VALUE_INVALID", `--interval ${interval} is too short`, { hint: "give 100ms or more, such as 2s" });
  return { interval: parsed, verify };
}
