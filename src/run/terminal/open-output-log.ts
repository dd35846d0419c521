import { fstatSync } from "node:fs";
import { join } from "node:path";
import { isTerminal } from "./is-terminal.ts";
import { keeperCommand } from "./keeper-command.ts";
import type { Log, OutputLog } from "./output-log.ts";
import { openPipe } from "./pipe.ts";
import type { PipeMaker } from "./pipe.ts";
import { openTee, teeLog } from "./tee-log.ts";
import type { Tee } from "./tee-log.ts";

interface Options {
  /** An existing directory for the logs. */
  directory: string;
  /** Keep what goes to a terminal too. Where not all three streams are one, that is a pipe, and the child sees no terminal. */
  capture: boolean;
  /** Which of our own streams shows the child's stdout. */
  shown?: 1 | 2;
  /** How pipes are made; tests take the first choice away. */
  makePipe?: PipeMaker;
  /** Milliseconds that a process which outlives the child may hold the log open before coffer goes on without it. */
  drainMs?: number;
}

export async function openOutputLog({ directory, capture, shown = 1, makePipe = openPipe, drainMs = 2000 }: Options): Promise<OutputLog> {
  const terminals = await Promise.all([0, 1, 2].map(isTerminal));
  if (capture && terminals.every(Boolean))
    return (await import("./terminal-log.ts")).openTerminalLog({ name: "output.log", path: join(directory, "output.log") }, drainMs);
  const keepsOut = capture || terminals[shown] === false;
  const keepsErr = capture || terminals[2] === false;
  const means = { directory, makePipe, command: keeperCommand(Bun.which("tee") ?? "/usr/bin/tee") };
  const open = (name: Log["name"], out: 1 | 2): Promise<Tee> => openTee({ name, path: join(directory, name) }, out, means);
  if (keepsOut && keepsErr && sameFile(shown, 2)) {
    const both = await open("output.log", shown);
    return teeLog({ stdout: both.write, stderr: both.write }, [both], drainMs);
  }
  const out = keepsOut ? await open("stdout.log", shown) : undefined;
  const err = keepsErr ? await open("stderr.log", 2) : undefined;
  return teeLog(
    { stdout: out?.write ?? shown, stderr: err?.write ?? 2 },
    [out, err].filter((tee) => tee !== undefined),
    drainMs,
  );
}

function sameFile(a: number, b: number): boolean {
  const [one, two] = [fstatSync(a, { bigint: true }), fstatSync(b, { bigint: true })];
  return one.dev === two.dev && one.ino === two.ino;
}
