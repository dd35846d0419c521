import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import { differ } from "./difference.ts";
import { pointOf } from "./points.ts";

/**
 * What is done to a command on its way. kill: it ends as by SIGKILL when it comes by a synchronisation point (`point`: a number that chooses one), or, where that is null,
 * at some part of the time that its like took before (`at`: 0 to 1); `whole`: all that it had started ends too. hold: it stands still there for so many milliseconds,
 * while others go on.
 */
export type Trouble =
  { does: "kill"; at: number; whole: boolean; point: number | null } | { does: "hold"; point: number; milliseconds: number };

export interface Called {
  args: readonly string[];
  code: number | null;
  /** It was still at work when it was killed. */
  killed: boolean;
  stdout: string;
  stderr: string;
  json<T>(): T;
}

export interface Caller {
  /** What has been called and killed so far. */
  readonly counts: { commands: number; kills: number };
  call(args: readonly string[], trouble?: Trouble | null): Promise<Called>;
}

export interface Where {
  /** The compiled coffer. */
  binary: string;
  /** The working directory of each call; the store is `artifacts` in it. */
  directory: string;
}

/** Calls the compiled binary, and looks at what no command may ever say. */
export function makeCaller({ binary, directory }: Where): Caller {
  const counts = { commands: 0, kills: 0 };
  /** Milliseconds that a command of this kind took lately. */
  const typical = new Map<string, number>();
  let held = 0;
  return {
    counts,
    async call(args, trouble) {
      counts.commands++;
      const kind = args.slice(0, args[0] === "run" || args[0] === "log" ? 1 : 2).join(" ");
      const began = performance.now();
      const file = join(directory, `held-${held++}`);
      const armed = arm(args, trouble, file);
      // a group of its own: one signal reaches all of it
      const child = Bun.spawn([binary, ...args], {
        cwd: directory,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          PATH: process.env["PATH"] ?? "/usr/bin:/bin",
          HOME: directory,
          LANG: "C.UTF-8",
          TZ: "UTC",
          ...(armed !== undefined && { [SYNC_POINTS_VARIABLE]: armed }),
        },
      });
      const usual = typical.get(kind) ?? 60;
      const kill = trouble?.does === "kill" ? trouble : undefined;
      const timer = kill?.point === null && setTimeout(() => end(child.pid, kill.whole), kill.at * usual * 1.2);
      if (trouble?.does === "hold") void release(file, trouble.milliseconds, child.exited);
      const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
      if (timer) clearTimeout(timer);
      const killed = child.signalCode === "SIGKILL";
      if (killed && kill?.whole) end(child.pid, true);
      if (killed) counts.kills++;
      else typical.set(kind, usual * 0.7 + (performance.now() - began) * 0.3);
      if (kill) await groupEnds(child.pid);
      const called = { args, code: child.exitCode, killed, stdout, stderr };
      refuseBadEnd(called, child.signalCode);
      return { ...called, json: <T>() => parse<T>(called) };
    },
  };
}

/** What the command is told about points. */
function arm(args: readonly string[], trouble: Trouble | null | undefined, file: string): string | undefined {
  if (!trouble || trouble.point === null) return undefined;
  const nth = 1 + (trouble.point % 3 === 0 ? trouble.point % 5 : 0);
  return `${pointOf(args, trouble.point)}@${nth}=${trouble.does === "kill" ? "kill" : `hold:${file}`}`;
}

function end(pid: number, whole: boolean): void {
  try {
    process.kill(whole ? -pid : pid, "SIGKILL");
  } catch {
    // it has just ended
  }
}

/** Lets a command go on, a while after it has come to its point. */
async function release(file: string, milliseconds: number, exited: Promise<unknown>): Promise<void> {
  let isOver = false;
  void exited.then(() => (isOver = true));
  while (!isOver && !existsSync(`${file}.reached`)) await Bun.sleep(2);
  if (isOver) return;
  await Bun.sleep(milliseconds);
  writeFileSync(file, "");
}

const STACK = /^\s+at .+[:(]\d+:\d+\)?$/m;

function refuseBadEnd(called: Omit<Called, "json">, signal: NodeJS.Signals | number | null): void {
  const { killed, stderr, code } = called;
  if (/database is locked|SQLITE_/.test(stderr)) differ(`${words(called)}: the database's own words reach the user`);
  if (STACK.test(stderr)) differ(`${words(called)}: a stack trace`);
  if (!killed && code === null) differ(`${words(called)}: ended by ${signal}`);
}

function parse<T>(called: Omit<Called, "json">): T {
  try {
    return JSON.parse(called.stdout) as T;
  } catch {
    return differ(`${words(called)}: not JSON`);
  }
}

/** A call as one sees it in a report. */
export function words({ args, code, killed, stdout, stderr }: Omit<Called, "json">): string {
  return `coffer ${args.join(" ")}\n  ${killed ? "killed" : `code ${code}`}\n  ${stdout.slice(0, 2000).trimEnd()}\n  ${stderr.slice(-3000).trimEnd()}\n`;
}

const PATIENCE_MS = 20_000;

/** Waits for what a killed command had started and that goes on. Zombies are gone: nobody may be there to bury them. */
async function groupEnds(group: number): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (hasMembers(group)) {
    if (performance.now() > until) differ(`a process of group ${group} does not end`);
    await Bun.sleep(2);
  }
}

function hasMembers(group: number): boolean {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  return readdirSync("/proc").some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const [state, , own] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(own) === group && state !== "Z" && state !== "X";
    } catch {
      return false;
    }
  });
}
