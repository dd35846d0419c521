import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";
import { deliver } from "./deliver.ts";
import type { DeliverOptions } from "./deliver.ts";
import { enqueueLive } from "./pending/enqueue-live.ts";
import type { Heard } from "./pending/enqueue-live.ts";
import { enqueueMissing } from "./pending/enqueue-missing.ts";
import { addTurn, newReport } from "./report.ts";
import type { DeliveryReport, RunReport } from "./report.ts";
import { sleep } from "./sleep.ts";
import type { RunSelection } from "./sync.ts";
import { waitingRuns } from "./pending/waiting-runs.ts";

export interface WatchOptions extends Omit<DeliverOptions, "live" | "check" | "restore" | "verify" | "signal"> {
  /** Ends it. */
  signal: AbortSignal;
  /** Milliseconds between two looks. */
  interval: number;
  /** Goes on when no run does. */
  stay: boolean;
  /** Puts all that an ended run has to say into the outbox. */
  enqueue: (run: RunRow) => void;
  /** Before each look: ends runs whose wrapper has died. */
  tend: () => Promise<void>;
  /** The server cannot be reached; it is asked again after `wait` milliseconds. */
  onOutage: (why: string, wait: number) => void;
}

const LONGEST_WAIT = 60_000;
/** Times that a run which has ended is tried, where something other than an outage keeps it from being whole. */
const TRIES = 3;

/**
 * Follows runs: what they log goes to the server while they go on, and all of it once they have ended. Ends when none goes on and nothing is left that another
 * try could help; an outage of the server is waited out, with growing waits. Whatever was interrupted stays in the outbox.
 * @throws CofferError NO_TRACKING_URI, CONFIG_INVALID, UNREADABLE
 */
export async function watch(store: Store, options: WatchOptions): Promise<DeliveryReport> {
  const { signal, interval, skipArtifacts = false } = options;
  const target = trackingTarget(store.settings.values.tracking.mlflow.uri);
  const report = newReport(target);
  const heard: Heard = new Map();
  const troubles = new Troubles(store, interval);
  let outages = 0;
  while (!signal.aborted) {
    await options.tend();
    const going = enqueueLive(store, heard, { only: options.runs, skipArtifacts });
    enqueueMissing(store, options.enqueue, options.runs);
    const turn = await deliver(store, {
      ...options,
      live: true,
      runs: troubles.within(options.runs),
      onRun: (run) => {
        troubles.note(run);
        options.onRun?.(run);
      },
    });
    addTurn(report, turn);
    if (signal.aborted) break;
    let wait = interval;
    if (turn.stopped !== null) {
      // a server that lets nobody in does so until somebody mends it
      if (going === 0 && !options.stay && isRefused(turn)) break;
      wait = longer(interval, outages++);
      options.onOutage(turn.stopped, wait);
    } else {
      outages = 0;
      report.stopped = null;
      const isOpen = waitingRuns({ store, target }, 0, options.runs).some(({ run }) => !troubles.isGivenUp(run));
      if (going === 0 && !isOpen && !options.stay) break;
    }
    await sleep(wait, signal);
  }
  report.left = waitingRuns({ store, target }, 0, options.runs).filter(({ run }) => !troubles.isWithheld(run)).length;
  return report;
}

function isRefused({ stopped, runs: tried }: DeliveryReport): boolean {
  return tried.some(({ error }) => error?.message === stopped && error.code !== "SERVER_UNREACHABLE");
}

function longer(interval: number, times: number): number {
  return Math.round(Math.min(LONGEST_WAIT, Math.max(interval, 1000) * 2 ** times) * (0.8 + 0.4 * Math.random()));
}

/** Runs that could not be delivered for a reason of their own: they are tried less and less often, and a few times in all once they have ended. */
class Troubles {
  readonly #store: Store;
  readonly #interval: number;
  readonly #runs = new Map<number, { state: string; times: number; until: number; withheld: boolean }>();

  constructor(store: Store, interval: number) {
    this.#store = store;
    this.#interval = interval;
  }

  note({ run, state, error }: RunReport): void {
    const { seq, state: now } = runs.byId(this.#store.db, run) as RunRow;
    // an outage is nobody's fault, and another process will be done some time
    if (state === "synced" || state === "busy" || error?.code === "SERVER_UNREACHABLE" || (state === "running" && error === null))
      this.#runs.delete(seq);
    else {
      const before = this.#runs.get(seq);
      const times = before?.state === now ? before.times + 1 : 1;
      this.#runs.set(seq, { state: now, times, until: this.#store.now() + longer(this.#interval, times), withheld: state === "withheld" });
    }
  }

  /** Those that it is time to try, and those whose state has changed. */
  within(only: RunSelection | undefined): RunSelection {
    return {
      has: (seq) => {
        if (!(only?.has(seq) ?? true)) return false;
        const trouble = this.#runs.get(seq);
        return !trouble || trouble.until <= this.#store.now() || trouble.state !== runs.bySeq(this.#store.db, seq)?.state;
      },
    };
  }

  isGivenUp(seq: number): boolean {
    const trouble = this.#runs.get(seq);
    return trouble !== undefined && trouble.state !== "running" && (trouble.withheld || trouble.times >= TRIES);
  }

  isWithheld(seq: number): boolean {
    return this.#runs.get(seq)?.withheld ?? false;
  }
}
