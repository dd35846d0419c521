/**
 * A wrapper made of the pieces of src/run, for tests that need a process to send signals to: `bun wrap.ts OPTIONS -- COMMAND …`,
 * where OPTIONS is JSON. Writes what it learned to `<directory>/end.json` and exits with the child's code.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CofferError, reason } from "../../src/domain/error.ts";
import { spawnChild } from "../../src/run/child/child.ts";
import { inheritedDescriptors } from "../../src/run/child/launch.ts";
import { openOutputLog } from "../../src/run/terminal/open-output-log.ts";
import { openByFifo, openPipe } from "../../src/run/terminal/pipe.ts";
import { holdSignals, ignoredSignals } from "../../src/run/child/signals.ts";

export interface WrapOptions {
  directory: string;
  capture?: boolean;
  graceMs?: number;
  drainMs?: number;
  fifo?: boolean;
  /** Milliseconds to stay after the child, as storing its outputs would. */
  linger?: number;
  extraEnv?: Record<string, string>;
}

const descriptors = inheritedDescriptors();
const cut = process.argv.indexOf("--");
const options = JSON.parse(process.argv[cut - 1] as string) as WrapOptions;
const command = process.argv.slice(cut + 1);
const ignored = ignoredSignals();
const log = await openOutputLog({
  directory: options.directory,
  capture: options.capture ?? false,
  makePipe: options.fifo ? openByFifo : openPipe,
  ...(options.drainMs !== undefined && { drainMs: options.drainMs }),
});
const signals = holdSignals({ graceMs: options.graceMs ?? 10_000, ignored });
try {
  const child = spawnChild({
    command,
    cwd: process.cwd(),
    env: process.env,
    extraEnv: { COFFER_RUN_ID: `run-of-${options.directory}`, ...options.extraEnv },
    streams: log.streams,
    descriptors,
    ignored,
    signals,
    now: () => Date.now(),
  });
  log.started(child.terminal);
  writeFileSync(join(options.directory, "pid"), `${child.pid}\n`);
  const end = await child.ended;
  const output = await log.finish(signals.stop);
  if (options.linger !== undefined) {
    writeFileSync(join(options.directory, "lingering"), "");
    await Promise.race([Bun.sleep(options.linger), new Promise((resolve) => signals.stop.addEventListener("abort", resolve))]);
  }
  writeFileSync(join(options.directory, "end.json"), JSON.stringify({ end, output, who: child.who, received: signals.received ?? null }));
  process.exit(end.code);
} catch (error) {
  log.abandon();
  writeFileSync(join(options.directory, "end.json"), JSON.stringify({ error: reason(error) }));
  process.exit(error instanceof CofferError ? error.exit : 125);
}
