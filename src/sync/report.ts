import type { CofferError } from "../domain/error.ts";
import { runPage } from "../mlflow/http/connection.ts";
import type { Arrival } from "./files/arrival.ts";
import type { Delivering } from "./sync.ts";
import type { Tally } from "./tally.ts";

/** What is summed up of several calls. */
const SUMS = ["params", "tags", "metrics", "inputs", "models", "files", "bytes"] as const;

export interface RunReport {
  run: string;
  /**
   * synced: read back whole; pending: not wholly there yet; refused: the server said no; busy: another process delivers it;
   * running: it has not ended; withheld: all but its files, which MLFLOW_SKIP_ARTIFACT_LOGGING holds back.
   */
  state: "synced" | "pending" | "refused" | "busy" | "running" | "withheld";
  /** Another process had delivered it by the time that it was its turn. */
  elsewhere: boolean;
  experiment: string;
  remote_run: string | null;
  /** Its address in MLflow's own interface. */
  page: string | null;
  /** By this call. */
  sent: Pick<Tally, (typeof SUMS)[number] | "how">;
  /** Requests about it that this call sent again. */
  retried: number;
  /** Files whose bytes were read back and hashed by this call. */
  verified: Tally["verified"];
  /** What MLflow shows differently, or not at all. */
  notes: string[];
  error: { code: string; message: string; hint: string | null } | null;
}

export interface DeliveryReport {
  schema: "coffer.sync/1";
  target: string;
  runs: RunReport[];
  /** Runs that are on the server whole since this call. */
  synced: number;
  /** Synced runs that were looked at again (`check`). */
  checked: number;
  /** Runs that should be on the server and are not, wholly. */
  left: number;
  files: number;
  bytes: number;
  retried: number;
  /** Why nothing more could be tried, where that is so. */
  stopped: string | null;
}

export interface Outcome {
  state: RunReport["state"];
  error: CofferError | undefined;
  elsewhere?: boolean;
}

export function newReport(target: string): DeliveryReport {
  return { schema: "coffer.sync/1", target, runs: [], synced: 0, checked: 0, left: 0, files: 0, bytes: 0, retried: 0, stopped: null };
}

/** Adds what another call did to what those before it had done; of a run, its last state counts. `left` is the caller's. */
export function addTurn(report: DeliveryReport, turn: DeliveryReport): void {
  const known = new Map(turn.runs.length === 0 ? [] : report.runs.map((run, index) => [run.run, index]));
  for (const run of turn.runs) {
    const index = known.get(run.run);
    if (index === undefined) report.runs.push(run);
    else report.runs[index] = addedUp(report.runs[index] as RunReport, run);
  }
  report.synced = report.runs.filter(({ state }) => state === "synced").length;
  report.files += turn.files;
  report.bytes += turn.bytes;
  report.retried += turn.retried;
  report.stopped = turn.stopped;
}

/** Two reports of one run: what both calls did, and how it stands since the later one. */
export function addedUp(before: RunReport, now: RunReport): RunReport {
  const sum = { ...now.sent, how: { ...now.sent.how } };
  for (const key of SUMS) sum[key] += before.sent[key];
  for (const [way, count] of Object.entries(before.sent.how) as [Arrival, number][]) sum.how[way] = (sum.how[way] ?? 0) + count;
  const { files, bytes } = before.verified;
  return {
    ...now,
    sent: sum,
    retried: before.retried + now.retried,
    verified: { files: files + now.verified.files, bytes: bytes + now.verified.bytes },
    notes: [...new Set([...before.notes, ...now.notes])],
  };
}

/** Adds what became of one run. */
export function addRun(
  report: DeliveryReport,
  { sync, run, delivery, tally }: Delivering,
  { state, error, elsewhere = false }: Outcome,
): RunReport {
  const { params, tags, metrics, inputs, models, files, bytes, how, retried, verified, notes } = tally;
  const { experiment, remote_run, remote_experiment } = delivery;
  const one: RunReport = {
    run: run.id,
    state,
    elsewhere,
    experiment,
    remote_run,
    page: remote_run === null || remote_experiment === null ? null : runPage(sync.connection, remote_experiment, remote_run),
    sent: { params, tags, metrics, inputs, models, files, bytes, how },
    retried,
    verified,
    notes,
    error: error ? { code: error.code, message: error.message, hint: error.hint ?? null } : null,
  };
  report.runs.push(one);
  if (state === "synced") report.synced++;
  if (state === "pending" || state === "refused" || state === "busy") report.left++;
  report.files += files;
  report.bytes += bytes;
  report.retried += retried;
  return one;
}
