import { closeSync, openSync } from "node:fs";
import { join } from "node:path";

export interface Program extends AsyncDisposable {
  /** Undefined while it runs. */
  readonly code: number | undefined;
  /** The last lines of what it printed. */
  lastWords(): Promise<string>;
  /** Ends it and everything it started; resolves when all is gone. */
  stop(): Promise<void>;
}

export interface ProgramStart {
  /** Any Python 3. */
  python: string;
  command: readonly string[];
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Where its output goes. */
  log: string;
}

/** Starts a program that serves until it is stopped. It ends with us however we die. */
export function startProgram({ python, command, cwd, env, log }: ProgramStart): Program {
  const output = openSync(log, "a");
  // detached: Ctrl-C in a terminal must not end a server before those who use it
  const child = Bun.spawn([python, join(import.meta.dir, "../mlflow/hold.py"), ...command], {
    cwd,
    env: { ...env },
    stdio: ["pipe", output, output],
    detached: true,
  });
  closeSync(output);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGTERM");
    await child.exited;
  };
  return {
    get code() {
      return child.exitCode ?? undefined;
    },
    lastWords: async () => (await Bun.file(log).text()).trim().split("\n").slice(-15).join("\n"),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

export interface Waiting {
  name: string;
  /** Milliseconds. */
  patience: number;
  signal?: AbortSignal | undefined;
}

/** Asks until the answer is yes. @throws Error with the program's last words if it ends before that, or the time is over */
export async function waitUntil(program: Program, { name, patience, signal }: Waiting, healthy: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patience;
  for (;;) {
    signal?.throwIfAborted();
    if (await healthy()) return;
    const ended = program.code !== undefined;
    if (ended || performance.now() > deadline) {
      const how = ended ? `ended with code ${program.code}` : `was not healthy after ${patience / 1000} s`;
      throw new Error(`${name} ${how}; its log ends:\n${await program.lastWords()}`);
    }
    await Bun.sleep(200);
  }
}
