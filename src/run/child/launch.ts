import { readFileSync, readlinkSync } from "node:fs";
import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { isUtf8 } from "../../domain/is-utf8.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface LaunchRequest {
  command: readonly string[];
  /** Names to set; undefined removes one. */
  extraEnv: Env;
  env: Env;
  /** Numbers of signals to be ignored by the child too: Bun resets all of them. */
  ignored: readonly number[];
  /** The bytes of those arguments, by index, that are not UTF-8. */
  rawArguments: ReadonlyMap<number, Buffer>;
  /** The environment holds bytes that are not UTF-8: it must pass from process to process unread. */
  rawEnvironment: boolean;
  /** `env --ignore-signal` works here (coreutils 8.31); sh serves where it does not, but dash drops variables with odd names. */
  envIgnoresSignals: boolean;
}

export interface Launch {
  argv: string[];
  /** undefined: the child inherits the environment byte by byte. */
  env: Record<string, string> | undefined;
}

/** How to start a command so that it gets exactly the bytes, variables and ignored signals that coffer got. Mostly: the command itself. */
export function planLaunch(request: LaunchRequest): Launch {
  let argv = [...request.command];
  if (request.rawArguments.size > 0) argv = withRawArguments(argv, request.rawArguments);
  const words: string[] = [];
  if (request.ignored.length > 0) {
    if (request.envIgnoresSignals) words.push(`--ignore-signal=${request.ignored.join(",")}`);
    else argv = ["/bin/sh", "-c", `trap '' ${request.ignored.join(" ")}; exec "$@"`, "sh", ...argv];
  }
  const set = Object.entries(request.extraEnv);
  if (request.rawEnvironment) {
    for (const [name, value] of set) if (value === undefined) words.push("-u", name);
    for (const [name, value] of set) if (value !== undefined) words.push(`${name}=${value}`);
  }
  if (words.length > 0) {
    // env would take a program named a=b for a variable
    if (argv[0]?.includes("=")) argv = ["/bin/sh", "-c", 'exec "$@"', "sh", ...argv];
    argv = ["/usr/bin/env", ...words, ...argv];
  }
  return { argv, env: request.rawEnvironment ? undefined : merged(request.env, request.extraEnv) };
}

/** What `planLaunch` needs to know of how this process itself was started. */
export function ownBytes(
  command: readonly string[],
  ignored: readonly number[],
): Pick<LaunchRequest, "rawArguments" | "rawEnvironment" | "envIgnoresSignals"> {
  return {
    rawArguments: rawArguments(command),
    rawEnvironment: !isUtf8(readOwn("environ")),
    envIgnoresSignals: ignored.length > 0 && canEnvIgnoreSignals(),
  };
}

/**
 * Descriptors from 3 up that this process was started with (`<(…)`, make's jobserver, LISTEN_FDS); Bun would close them in the child.
 * Call it before anything is opened: later, ours cannot be told from theirs.
 */
export function inheritedDescriptors(): number[] {
  const numbers: number[] = [];
  for (const name of listOrNothing("/proc/self/fd")) {
    const number = Number(name);
    if (number < 3 || number > 1023) continue;
    try {
      // Bun's own event queue is anon_inode; the directory just listed is gone by now
      if (!readlinkSync(`/proc/self/fd/${name}`).startsWith("anon_inode:[event")) numbers.push(number);
    } catch {
      // closed again
    }
  }
  return numbers;
}

/** A string of JavaScript holds U+FFFD where a byte was not UTF-8, and the byte is lost: the process's own command line still has it. */
function rawArguments(command: readonly string[]): Map<number, Buffer> {
  const raw = new Map<number, Buffer>();
  if (!command.some((word) => word.includes("\uFFFD"))) return raw;
  const words = splitAtNul(readOwn("cmdline")).slice(-command.length);
  // the command is the tail of our own arguments; when it is not, the strings are all there is
  if (words.length !== command.length || words.some((word, index) => word.toString() !== command[index])) return raw;
  for (const [index, word] of words.entries()) if (!isUtf8(word)) raw.set(index, word);
  return raw;
}

/** sh makes the arguments again from octal digits. The X keeps a newline at their end. */
function withRawArguments(argv: readonly string[], raw: ReadonlyMap<number, Buffer>): string[] {
  const lines = [...raw].map(
    ([index, bytes]) => `coffer_arg_${index}=$(printf '${[...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("")}X')`,
  );
  const words = argv.map((_, index) => (raw.has(index) ? `"\${coffer_arg_${index}%X}"` : `"\${${index + 1}}"`));
  return ["/bin/sh", "-c", `${lines.join("\n")}\nset -- ${words.join(" ")}\nexec "$@"`, "sh", ...argv];
}

function merged(env: Env, extra: Env): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...env, ...extra })) if (value !== undefined) all[name] = value;
  return all;
}

function canEnvIgnoreSignals(): boolean {
  return (
    Bun.spawnSync(["/usr/bin/env", "--ignore-signal=1", "/bin/sh", "-c", "exit 0"], { stdio: ["ignore", "ignore", "ignore"] }).exitCode ===
    0
  );
}

function readOwn(name: "environ" | "cmdline"): Buffer {
  try {
    return readFileSync(`/proc/self/${name}`);
  } catch {
    return Buffer.alloc(0); // no /proc (macOS): bytes that are not UTF-8 do not survive there
  }
}

function splitAtNul(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    parts.push(bytes.subarray(from, end === -1 ? bytes.length : end));
    from = end === -1 ? bytes.length : end + 1;
  }
  return parts;
}
