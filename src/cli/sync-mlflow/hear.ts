import { countOf, formatBytes } from "../../domain/quantity.ts";
import { addedUp } from "../../sync/report.ts";
import type { RunReport } from "../../sync/report.ts";
import type { Progress } from "../../sync/tally.ts";
import { deliveryProgress } from "./delivery-progress.ts";
import type { Standing } from "./delivery-pace.ts";
import type { Io } from "../io.ts";

type Portion = Standing["files"];

/** What `--events` prints, one on a line. */
type SyncEvent = { schema: "coffer.sync-event/1"; at: number } & (
  | { event: "progress"; run: string; points: Portion; files: Portion; bytes: Portion; rate: number | null; left_ms: number | null }
  | { event: "retry"; message: string }
  | { event: "outage"; message: string; wait_ms: number }
  | { event: "run"; result: RunReport }
);

/** What is heard of a delivery while it goes on. */
export interface Hearing {
  progress: (progress: Progress) => void;
  onRetry: (words: string) => void;
  onOutage: (why: string, wait: number) => void;
  onRun: (run: RunReport) => void;
  /** There is no more to hear. */
  end(): void;
}

/** Says it: in words on stderr with a line of progress, and with `events` as JSON Lines on stdout. */
export function hear(io: Io, events: boolean): Hearing {
  const print = (event: SyncEvent): void => io.write(`${JSON.stringify(event)}\n`);
  const head = () => ({ schema: "coffer.sync-event/1", at: io.now() }) as const;
  const progress = deliveryProgress(
    io,
    events
      ? ({ run, points, files, bytes, rate, left }) =>
          print({ ...head(), event: "progress", run, points, files, bytes, rate: rate ?? null, left_ms: left ?? null })
      : undefined,
  );
  const heard = new Map<string, string>();
  const sums = new Map<string, RunReport>();
  const say = (event: () => SyncEvent, words: () => void): void => {
    progress.clear();
    if (events) print(event());
    words();
  };
  return {
    progress: progress.show,
    onRetry: (message) =>
      say(
        () => ({ ...head(), event: "retry", message }),
        () => io.say.info(message),
      ),
    onOutage: (message, wait) =>
      say(
        () => ({ ...head(), event: "outage", message, wait_ms: wait }),
        () => io.say.warn(`${message}; everything is kept, the next try comes in ${(wait / 1000).toFixed(1)} s`),
      ),
    onRun: (run) =>
      say(
        () => ({ ...head(), event: "run", result: run }),
        () => {
          const before = sums.get(run.run);
          const sum = before ? addedUp(before, run) : run;
          sums.set(run.run, sum);
          // an outage is told of by itself, and the same trouble is met again and again
          if (run.state === "running" && run.error?.code === "SERVER_UNREACHABLE") return;
          const words = `${run.state} ${run.page} ${run.error?.message}`;
          if (heard.get(run.run) === words && run.state !== "synced") io.say.debug(`run ${run.run} is as before: ${sentWords(run)}`);
          // the end counts all that went before it; what is to be said of it was said when it came
          else tell(io, { ...sum, notes: run.notes });
          heard.set(run.run, words);
        },
      ),
    end: progress.clear,
  };
}

function tell(io: Io, report: RunReport): void {
  const { run, state, elsewhere, page, notes, error } = report;
  const what = sentWords(report);
  for (const note of notes) io.say.warn(`run ${run}: ${note}`);
  if (elsewhere) io.say.info(`run ${run} is synced, by another process: ${page}`);
  else if (state === "synced") io.say.success(`run ${run} is synced: ${what}, ${page}`);
  else if (state === "withheld") io.say.info(`run ${run} is delivered but for its files: ${what}, ${page}`);
  else if (state === "busy") io.say.info(`run ${run} is busy: ${error?.message}`);
  else if (error) {
    io.say.error(`run ${run} ${state === "running" ? "goes on, and not all of it could be sent" : `is ${state}`}: ${error.message}`);
    if (error.hint) io.say.info(error.hint);
  } else if (state !== "running") io.say.error(`run ${run} is ${state}: not all of it could be sent`);
  else if (page === null) io.say.info(`run ${run} goes on; it is delivered when it has ended`);
  else io.say.info(`run ${run} is followed: ${page}`);
}

function sentWords({ sent, retried }: RunReport): string {
  const again = retried === 0 ? "" : `; ${countOf(retried, "request")} sent again`;
  return `${countOf(sent.params, "param")}, ${countOf(sent.metrics, "metric point")}, ${countOf(sent.files, "file")} (${formatBytes(sent.bytes)}${waysOf(sent.how)})${again}`;
}

/** `, 3 by link`: what took another way than the network. */
function waysOf(how: Record<string, number>): string {
  return Object.entries(how)
    .filter(([way]) => way !== "put")
    .map(([way, count]) => (way === "there" ? `; ${count} were there` : `; ${count} by ${way}`))
    .join("");
}
