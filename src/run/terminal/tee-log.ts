import { closeSync, openSync, statSync } from "node:fs";
import { aborted, deadline } from "../child/deadline.ts";
import type { Keeping, LogKeeper, TeeEnd } from "./keep-log.ts";
import type { Log, OutputLog } from "./output-log.ts";
import type { PipeMaker } from "./pipe.ts";
import { showOnly } from "./show-only.ts";

/** One output log out of a tee for each stream that is kept; the others go where they went. */
export function teeLog(streams: { stdout: number; stderr: number }, tees: readonly Tee[], drainMs: number): OutputLog {
  return {
    streams,
    logs: tees.map((tee) => tee.log),
    started: () => tees.forEach((tee) => tee.started()),
    abandon: () => tees.forEach((tee) => tee.abandon()),
    async finish(stop) {
      using limit = deadline(drainMs);
      const stopped = aborted(stop);
      const ends: TeeEnd[] = [];
      for (const tee of tees) ends.push(await tee.finish(limit.passed, stopped));
      return {
        logs: tees.map(({ log }, index) => ({ ...log, bytes: statSync(log.path).size, isOpen: ends[index]?.isOpen ?? true })),
        notes: ends.flatMap((end) => end.notes),
      };
    },
  };
}

export interface Tee {
  readonly log: Log;
  readonly write: number;
  started(): void;
  finish(tooLong: Promise<false>, stopped: Promise<false>): Promise<TeeEnd>;
  abandon(): void;
}

/**
 * A pipe whose keeper comes once the child is there: what is written meanwhile waits in the pipe, and a child that has ended by then without a word costs no process at
 * all.
 */
export async function openTee(
  log: Log,
  out: 1 | 2,
  directory: string,
  { makePipe, keep }: { makePipe: PipeMaker; keep: LogKeeper },
): Promise<Tee> {
  const pipe = await makePipe(directory);
  const file = openSync(log.path, "a+");
  let keeping: Keeping | undefined;
  const close = (): void => {
    closeSync(pipe.read);
    closeSync(file);
  };
  return {
    log,
    write: pipe.write,
    started() {
      closeSync(pipe.write);
      if (pipe.isOver()) return close();
      try {
        keeping = keep(pipe.read, log, file, out);
      } catch (error) {
        // the system has no room for another process; the command runs already
        keeping = showOnly(pipe.read, log, file, out, error);
      }
    },
    finish: async (tooLong, stopped) => (await keeping?.finish(tooLong, stopped)) ?? { notes: [], isOpen: false },
    abandon() {
      closeSync(pipe.write);
      close();
    },
  };
}
