import { Interrupted, pauseUntil } from "../../domain/pause.ts";
import type { Pause } from "../../domain/pause.ts";
import type { Io } from "../io.ts";
import { catchStopSignal } from "../stop-signal.ts";
import type { StopSignal } from "../stop-signal.ts";
import { workProgress } from "../work-progress.ts";
import type { WorkProgress } from "../work-progress.ts";

/** What a command that collects garbage works with. */
export interface Work {
  stop: StopSignal;
  /** For what only looks: a signal ends the command there, since nothing was done. */
  pause: Pause;
  progress: WorkProgress;
}

/** Does the work of such a command. One that is interrupted while it looks says so. */
export async function untilStopped(io: Io, work: (given: Work) => Promise<number>): Promise<number> {
  const stop = catchStopSignal();
  const progress = workProgress(io);
  try {
    return await work({ stop, pause: pauseUntil(stop.isThere), progress });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    progress.clear();
    io.say.warn("interrupted; nothing was deleted: run it again");
    return stop.exit();
  } finally {
    progress.clear();
  }
}
