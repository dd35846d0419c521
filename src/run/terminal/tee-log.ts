import { closeSync, openSync, statSync } from "node:fs";
import { aborted, deadline } from "../child/deadline.ts";
import { follow } from "../child/follow.ts";
import type { Follower } from "../child/follow.ts";
import type { Log, OutputLog } from "./output-log.ts";
import type { Pipe, PipeMaker } from "./pipe.ts";

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

interface TeeEnd {
  notes: string[];
  /** The keeper still appends. */
  isOpen: boolean;
}

export async function openTee(log: Log, out: 1 | 2, directory: string, makePipe: PipeMaker): Promise<Tee> {
  const pipe = await makePipe(directory);
  const keeper = startKeeper(pipe, log.path);
  const notes: string[] = [];
  let follower: Follower | undefined;
  let reading = true;
  let successor: Bun.Subprocess | undefined;
  const writersGone = keeper.exited.then(onKeeperEnd);

  // We hold the reading end as well, so that a keeper which dies (a full disk) does not take the child with it.
  function letGo(): void {
    if (reading) closeSync(pipe.read);
    reading = false;
  }

  async function onKeeperEnd(code: number): Promise<void> {
    if (code === 0 || !reading) return letGo();
    notes.push(`${log.name} is incomplete: its writer ended early, most likely for want of disk space`);
    await follower?.finish();
    if (!reading) return;
    // the output goes on to where the user sent it; when that fails too, the child is told by its own write
    successor = Bun.spawn([catPath()], { stdio: [pipe.read, out, "ignore"], cwd: "/", env: {} });
    await successor.exited;
    letGo();
  }

  return {
    log,
    write: pipe.write,
    started() {
      closeSync(pipe.write);
      follower = follow(log.path, out);
      void follower.over.then((fault) => {
        if (fault === undefined) return;
        if (fault !== "EPIPE") {
          notes.push(`the output could not be shown to its end (${fault}); ${log.name} has it`);
          return;
        }
        // nobody reads any more (`| head -1`): with its reader gone the child gets SIGPIPE or EPIPE, as it would without us
        letGo();
        keeper.kill("SIGKILL");
      });
    },
    async finish(tooLong, stopped) {
      const isOpen = (await Promise.race([writersGone, tooLong, stopped])) === false;
      if (isOpen) notes.push(`a process that outlives the command still writes to ${log.name}`);
      const shown = await Promise.race([follower?.finish(), stopped]);
      if (shown === false) notes.push(`the output was not shown to its end; ${log.name} has it`);
      letGo();
      keeper.unref();
      successor?.unref();
      return { notes, isOpen };
    },
    abandon() {
      closeSync(pipe.write);
      keeper.unref();
    },
  };
}

/** Detached, in a session of its own: neither Ctrl-C nor our death reaches it. It bears no COFFER_RUN_ID, so it is not killed with the run either. */
function startKeeper(pipe: Pipe, path: string): Bun.Subprocess {
  const log = openSync(path, "a");
  try {
    return Bun.spawn([catPath()], { stdio: [pipe.read, log, "ignore"], detached: true, cwd: "/", env: {} });
  } finally {
    closeSync(log);
  }
}

function catPath(): string {
  return Bun.which("cat") ?? "/bin/cat";
}
