import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { errno } from "../../domain/error.ts";
import { of } from "../../domain/process-identity.ts";
import type { Who } from "../../domain/process-identity.ts";
import { SYNC_POINTS_VARIABLE } from "../../domain/sync-point.ts";
import { killFamily, send } from "./family.ts";
import { findCommand, looksBinary, startFault } from "./find-command.ts";
import { ownBytes, planLaunch } from "./launch.ts";
import type { HeldSignals } from "./signals.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface ChildRequest {
  /** What stood behind `--`: the tail of our own arguments. */
  command: readonly string[];
  cwd: string;
  env: Env;
  /** Set for the child; undefined removes a variable. COFFER_RUN_ID must be among them: the run's processes are found by it. */
  extraEnv: Env & { COFFER_RUN_ID: string };
  /** Where the child's output goes: descriptors, or a pseudo-terminal for all three streams. */
  streams: { stdout: number; stderr: number } | { terminal: Bun.TerminalOptions };
  /** Inherited descriptors from 3 up (`inheritedDescriptors`). */
  descriptors: readonly number[];
  /** Numbers of the signals that stay ignored (`ignoredSignals`). */
  ignored: readonly number[];
  signals: HeldSignals;
  now: () => number;
}

export interface Child {
  readonly pid: number;
  /** For the run's lease. undefined if it ended before it could be looked at. */
  readonly who: Who | undefined;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly terminal: Bun.Terminal | undefined;
  readonly ended: Promise<ChildEnd>;
}

export interface ChildEnd {
  /** What the wrapper exits with: the child's code, or 128 + the signal's number. */
  code: number;
  /** null if a signal ended it. */
  exitCode: number | null;
  /** `SIGKILL`; a real-time signal is `SIGRTMIN+n`. */
  signal: string | null;
  startedAt: number;
  endedAt: number;
  /** The child and what it waited for. */
  cpuUserMs: number;
  cpuSystemMs: number;
  /** The largest of them, not their sum. null where it is not above our own: the child begins as an image of coffer, and what it took itself cannot be told. */
  maxRssBytes: number | null;
}

/**
 * Starts the command. Awaiting `ended` keeps signals flowing: they are passed on while coffer awaits, never during synchronous work.
 * @throws CofferError COMMAND_NOT_FOUND, NOT_EXECUTABLE, PATH_INVALID
 */
export function spawnChild(request: ChildRequest): Child {
  const { command, cwd, env, ignored, signals, now } = request;
  // they count the steps of this very process: what the command calls would be stopped in its place
  const extraEnv = { ...request.extraEnv, [SYNC_POINTS_VARIABLE]: undefined };
  const find = (): string | undefined => findCommand(command, cwd, { ...env, ...extraEnv });
  const launch = planLaunch({ command, env, extraEnv, ignored, ...ownBytes(command, ignored) });
  const options = { cwd, ...(launch.env && { env: launch.env }), ...streamsOf(request) };
  const startedAt = now();
  const floor = ownPeak();
  // what starts it in our place would tell by its exit code alone that it could not
  if (launch.argv[0] !== command[0]) find();
  const child = start(launch.argv, options, command[0] as string, find);
  const { pid } = child;
  signals.aim({
    sharesGroup: !("terminal" in request.streams),
    send: (signal) => send(pid, signal),
    killAll: () => killFamily(extraEnv.COFFER_RUN_ID, pid),
  });
  return { pid, who: of(pid), startedAt, terminal: child.terminal, ended: waitFor(child, startedAt, floor, request) };
}

async function waitFor(child: Bun.Subprocess, startedAt: number, floor: number, { signals, now }: ChildRequest): Promise<ChildEnd> {
  await child.exited;
  const endedAt = now();
  signals.aim(undefined);
  const number = signalNumber(child.signalCode);
  const usage = child.resourceUsage();
  return {
    code: number === null ? (child.exitCode as number) : 128 + number,
    exitCode: number === null ? child.exitCode : null,
    signal: number === null ? null : signalName(number),
    startedAt,
    endedAt,
    cpuUserMs: usage ? Number(usage.cpuTime.user) / 1000 : 0,
    cpuSystemMs: usage ? Number(usage.cpuTime.system) / 1000 : 0,
    maxRssBytes: usage && usage.maxRSS > floor ? usage.maxRSS : null,
  };
}

/** Bytes. Of this image alone: `resourceUsage()` also has what the process was that started us. */
function ownPeak(): number {
  try {
    return Number(/VmHWM:\s+([0-9]+) kB/.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0; // no /proc (macOS): what is measured counts
  }
}

type SpawnOptions = Parameters<typeof Bun.spawn>[1] & object;

/** `find` says why it cannot be started, or which file it is that cannot. */
function start(argv: string[], options: SpawnOptions, name: string, find: () => string | undefined): Bun.Subprocess {
  try {
    return Bun.spawn(argv, options);
  } catch (error) {
    const code = errno(error) ?? "EACCES";
    const file = find();
    // a script without #! is run by sh, as execvp does; a binary for another machine is not
    if (code !== "ENOEXEC" || file === undefined || argv[0] !== name) throw startFault(name, code);
    return runByShell([file, ...argv.slice(1)], options, name);
  }
}

function runByShell(argv: string[], options: SpawnOptions, name: string): Bun.Subprocess {
  if (looksBinary(argv[0] as string)) throw startFault(name, "ENOEXEC");
  try {
    return Bun.spawn(["/bin/sh", ...argv], options);
  } catch (error) {
    throw startFault(name, errno(error) ?? "EACCES");
  }
}

function streamsOf({ streams, descriptors }: ChildRequest): SpawnOptions {
  if ("terminal" in streams) return { terminal: streams.terminal };
  const stdio: (number | "inherit" | null)[] = ["inherit", streams.stdout, streams.stderr];
  // a hole stays a closed descriptor
  for (const descriptor of descriptors) {
    while (stdio.length < descriptor) stdio.push(null);
    stdio[descriptor] = descriptor;
  }
  return { stdio: stdio as ["inherit", number, number] };
}

/** Bun gives a name, or a number where it has none. */
function signalNumber(code: unknown): number | null {
  if (typeof code === "number") return code;
  return typeof code === "string" ? (constants.signals[code as NodeJS.Signals] ?? 0) : null;
}

function signalName(number: number): string {
  const named = Object.entries(constants.signals).find(([, value]) => value === number);
  // glibc and musl keep the first two real-time signals for themselves: SIGRTMIN is 34
  return named?.[0] ?? (number >= 34 ? `SIGRTMIN+${number - 34}` : `signal ${number}`);
}
