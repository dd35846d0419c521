import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { aborted, deadline } from "../child/deadline.ts";
import { follow } from "../child/follow.ts";
import type { Follower } from "../child/follow.ts";
import type { KeeperCommand } from "./keeper-command.ts";
import type { Log, OutputLog } from "./output-log.ts";
import { missingWords } from "./missing-words.ts";
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

interface Means {
  /** For pipes that need a name. */
  directory: string;
  makePipe: PipeMaker;
  command: KeeperCommand;
}

/**
 * The keeper is a `tee`: each byte goes to us, and then to the log. When the log takes nothing more (a full disk) it still gives us all; when we are gone it still
 * writes the log.
 */
export async function openTee(log: Log, out: 1 | 2, { directory, makePipe, command }: Means): Promise<Tee> {
  const pipe = await makePipe(directory);
  const file = openSync(log.path, "a+");
  const keeper = startKeeper(pipe, command(log.path));
  const complaints = keeper.stderr.getReader();
  const notes: string[] = [];
  let follower: Follower | undefined;
  let reading = true;
  let fault: string | undefined;
  let complaint: string | undefined;
  let successor: Bun.Subprocess | undefined;
  let wasEnded = false;
  const writersGone = keeper.exited.then(onKeeperEnd);
  const heard = hear();

  /** What it says first, which may come in pieces. */
  async function hear(): Promise<void> {
    let words = "";
    for (;;) {
      const { value } = await complaints.read();
      if (!value) return;
      words += Buffer.from(value).toString();
      complaint = words.trim();
      if (fault !== undefined) endWriters();
      if (words.includes("\n")) return;
    }
  }

  // We hold the reading end as well, so that a keeper which dies does not take the child with it.
  function letGo(): void {
    if (reading) closeSync(pipe.read);
    reading = false;
  }

  /** Nobody takes what the child writes: it gets SIGPIPE or an error, as it would without us. */
  function endWriters(): void {
    letGo();
    keeper.kill("SIGKILL");
  }

  function onFault(code: string | undefined): void {
    fault = code;
    // its reader has left (`| head -1`), or neither the log nor where the user sent it takes anything; otherwise the log still does
    if (code === "EPIPE" || (code !== undefined && complaint !== undefined)) endWriters();
  }

  async function onKeeperEnd(code: number): Promise<void> {
    // 1: all was read, and the log has not taken all of it
    if (code === 0 || code === 1 || !reading) return letGo();
    wasEnded = true;
    notes.push(`${log.name} is incomplete: its writer was ended (exit code ${code})`);
    await follower?.finish(false);
    if (!reading) return;
    if (fault !== undefined) return letGo();
    // the output goes on to where the user sent it; when that fails too, the child is told by its own write
    successor = Bun.spawn([Bun.which("cat") ?? "/usr/bin/cat"], { stdio: [pipe.read, out, "ignore"], cwd: "/", env: {} });
    await successor.exited;
    letGo();
  }

  return {
    log,
    write: pipe.write,
    started() {
      closeSync(pipe.write);
      follower = follow(keeper.stdout, file, out);
      void follower.over.then(onFault);
    },
    async finish(tooLong, stopped) {
      const isOpen = (await Promise.race([writersGone, tooLong, stopped])) === false;
      if (isOpen) notes.push(`a process that outlives the command still writes to ${log.name}`);
      const shown = await Promise.race([follower?.finish(isOpen), stopped]);
      const printed = follower?.taken() ?? 0;
      const { size } = fstatSync(file);
      // where its reader has left the keeper was ended in the middle
      const isShort = wasEnded || (!isOpen && fault !== "EPIPE" && size < printed);
      if (isShort) await heard;
      if (isShort && !wasEnded) notes.push(missingWords(log.name, size, printed, complaint));
      const elsewhere = isShort ? "" : `; ${log.name} has it`;
      if (fault !== undefined && fault !== "EPIPE") notes.push(`the output could not be shown to its end (${fault})${elsewhere}`);
      if (shown === false) notes.push(`the output was not shown to its end${elsewhere}`);
      else closeSync(file);
      letGo();
      follower?.leave();
      void complaints.cancel();
      keeper.unref();
      successor?.unref();
      return { notes, isOpen };
    },
    abandon() {
      closeSync(pipe.write);
      closeSync(file);
      void keeper.stdout.cancel();
      void complaints.cancel();
      keeper.unref();
    },
  };
}

/** Detached, in a session of its own: neither Ctrl-C nor our death reaches it. It bears no COFFER_RUN_ID, so it is not killed with the run either. */
function startKeeper(pipe: Pipe, command: string[]): Bun.Subprocess<number, "pipe", "pipe"> {
  return Bun.spawn(command, { stdio: [pipe.read, "pipe", "pipe"], detached: true, cwd: "/", env: {} });
}
