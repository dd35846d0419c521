import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildEnd } from "../../src/run/child/child.ts";
import type { OutputEnd } from "../../src/run/terminal/output-log.ts";
import type { Who } from "../../src/domain/process-identity.ts";
import type { WrapOptions } from "./wrap.ts";

/** A directory for one test; `using` removes it. */
export function scratch(): { path: string; at(...names: string[]): string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "coffer-run-"));
  return { path, at: (...names) => join(path, ...names), [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The command line that runs the test wrapper around `command`. */
export function wrapped(options: WrapOptions, ...command: string[]): string[] {
  return [process.execPath, join(import.meta.dir, "wrap.ts"), JSON.stringify(options), "--", ...command];
}

export function endOf(directory: string): { end: ChildEnd; output: OutputEnd; who?: Who; received: string | null } {
  return JSON.parse(readFileSync(join(directory, "end.json"), "utf8"));
}

/** Runs the wrapper to its end off a terminal. */
export async function wrap(options: WrapOptions, ...command: string[]): Promise<{ code: number; out: string; err: string }> {
  const process = Bun.spawn(wrapped(options, ...command), { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([process.stdout.text(), process.stderr.text()]);
  return { code: await process.exited, out, err };
}

/** Runs a line of bash in which `"$@"` is the wrapper with its options, up to and with the `--`. */
export async function bash(line: string, options: WrapOptions): Promise<{ code: number; out: Buffer; err: string }> {
  const process = Bun.spawn(["bash", "-c", line, "bash", ...wrapped(options)], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([process.stdout.bytes(), process.stderr.text()]);
  return { code: await process.exited, out: Buffer.from(out), err };
}

export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

export async function dies(pid: number): Promise<void> {
  while (isAlive(pid)) await Bun.sleep(3);
}
