import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { procStat } from "../../domain/process-identity.ts";

/** What the signals that reach coffer are passed on to, while it lives. */
export interface SignalTarget {
  /** It stands in our own process group, so that what a terminal sends reaches it without us. */
  sharesGroup: boolean;
  send(signal: NodeJS.Signals): void;
  /** Ends every process of the run. */
  killAll(): void;
}

export interface HeldSignals extends Disposable {
  /** Passes signals on to the child from here on, or, with undefined, to nobody: the child has ended. */
  aim(target: SignalTarget | undefined): void;
  /** The first SIGTERM, SIGINT, SIGHUP or SIGQUIT that came, also one that a terminal sent to the child itself. */
  readonly received: NodeJS.Signals | undefined;
  /** Aborted when somebody asks for the end before the child is there: stop waiting, start it, so that it gets the signal. */
  readonly early: AbortSignal;
  /** Aborted when somebody asks coffer to end after its child did: stop waiting, settle, leave. */
  readonly stop: AbortSignal;
}

interface Options {
  /** Milliseconds from a SIGTERM until every process of the run is killed. */
  graceMs: number;
  /** Numbers of the signals that were ignored at start; they stay so. */
  ignored: readonly number[];
}

/**
 * Takes over the signals, from before the child is started until its outputs are stored.
 *
 * - SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 go to the child.
 * - SIGINT and SIGQUIT: a terminal sends them to the whole foreground group, child included; otherwise they are passed on.
 * - A second SIGTERM kills the run, but one within a second of the first is the same one: `timeout` sends it to us and to our group.
 * - SIGTSTP and SIGCONT have no handler: a handler would break Ctrl-Z.
 */
export function holdSignals({ graceMs, ignored }: Options): HeldSignals {
  const stopper = new AbortController();
  const early = new AbortController();
  const pending: NodeJS.Signals[] = [];
  let target: SignalTarget | undefined;
  let over = false;
  let received: NodeJS.Signals | undefined;
  let firstTerm: number | undefined;
  let stopAsked: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function take(signal: NodeJS.Signals): void {
    if (!signal.startsWith("SIGUSR")) received ??= signal;
    if (over) return afterChild(signal);
    if (!target) {
      pending.push(signal);
      if (!signal.startsWith("SIGUSR")) early.abort(signal);
      return;
    }
    if (signal === "SIGTERM") return terminate(target);
    if ((signal === "SIGINT" || signal === "SIGQUIT") && target.sharesGroup && inForeground()) return;
    target.send(signal);
  }

  /** What came before the child was there did not reach it from a terminal either. */
  function passOn(signal: NodeJS.Signals, to: SignalTarget): void {
    if (signal === "SIGTERM") terminate(to);
    else to.send(signal);
  }

  function terminate(to: SignalTarget): void {
    const now = performance.now();
    if (firstTerm === undefined) {
      firstTerm = now;
      to.send("SIGTERM");
      timer = setTimeout(() => to.killAll(), graceMs);
    } else if (now - firstTerm > 1000) to.killAll();
  }

  function afterChild(signal: NodeJS.Signals): void {
    if (signal.startsWith("SIGUSR")) return;
    const now = performance.now();
    stopAsked ??= now;
    stopper.abort(signal);
    if (now - stopAsked > 1000) process.exit(128 + constants.signals[signal]);
  }

  const names = (["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT"] as const).filter(
    (name) => !ignored.includes(constants.signals[name]),
  );
  for (const name of names) process.on(name, take);
  return {
    aim(to) {
      target = to;
      over = to === undefined;
      if (over) clearTimeout(timer);
      else if (to) for (const signal of pending.splice(0)) passOn(signal, to);
    },
    get received() {
      return received;
    },
    early: early.signal,
    stop: stopper.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const name of names) process.off(name, take);
    },
  };
}

/**
 * Bun ignores SIGPIPE and SIGXFSZ for itself, so that nothing can be told of how we were started. 32 and 33 are the C library's own: its posix_spawn, and so make and
 * Python, starts every program with them ignored, and nobody else may.
 */
const NOBODYS: readonly number[] = [constants.signals.SIGPIPE, constants.signals.SIGXFSZ, 32, 33];

/** Numbers of the signals that this process was started with as ignored (`nohup`, a shell's `&`). */
export function ignoredSignals(): number[] {
  const mask = BigInt(`0x${/SigIgn:\s+([0-9a-f]+)/.exec(readStatus())?.[1] ?? "0"}`);
  const numbers: number[] = [];
  for (let number = 1; mask >> BigInt(number - 1) > 0n; number++)
    if ((mask >> BigInt(number - 1)) & 1n && !NOBODYS.includes(number)) numbers.push(number);
  return numbers;
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    return ""; // no /proc (macOS): nohup is not handed on there
  }
}

function inForeground(): boolean {
  const stat = procStat("self");
  if (stat) return stat.group === stat.terminalGroup;
  const ps = Bun.spawnSync(["ps", "-o", "pgid=,tpgid=", "-p", String(process.pid)])
    .stdout.toString()
    .trim()
    .split(/\s+/);
  return ps.length === 2 && ps[0] === ps[1];
}
