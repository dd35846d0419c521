import { mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "./temporary-root.ts";

const project = join(import.meta.dir, "../..");

export interface CofferOptions {
  /** The store's root (as COFFER_ROOT). */
  root?: string;
  cwd?: string;
  /** Added to a clean environment: nothing of MLFLOW_* or COFFER_* comes from outside. */
  env?: Readonly<Record<string, string>>;
  stdin?: string | Uint8Array;
  /** What stands before the binary, such as `asOrdinaryUser()` or `withFailing(…)`. */
  before?: readonly string[];
}

export interface CofferResult {
  code: number | null;
  signal: NodeJS.Signals | number | null;
  stdout: string;
  stderr: string;
  /** What stdout holds, as JSON. */
  json<T = Record<string, unknown>>(): T;
}

/** Runs the compiled binary to its end. */
export async function coffer(args: readonly string[], options: CofferOptions = {}): Promise<CofferResult> {
  const child = spawnCoffer(args, options);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return {
    code: child.exitCode,
    signal: child.signalCode,
    stdout,
    stderr,
    json<T>() {
      try {
        return JSON.parse(stdout) as T;
      } catch {
        throw new Error(`not JSON: coffer ${args.join(" ")} printed “${stdout}” and said “${stderr}”`);
      }
    },
  };
}

/** The compiled binary as a live process, for tests that send signals or look while it works. */
export function spawnCoffer(args: readonly string[], options: CofferOptions = {}): Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe"> {
  return Bun.spawn([...(options.before ?? []), binary(), ...args], {
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    cwd: options.cwd ?? home(),
    env: { ...cleanEnvironment(), ...(options.root !== undefined && { COFFER_ROOT: options.root }), ...options.env },
  });
}

/** What the binary sees when a test adds nothing. */
export function cleanEnvironment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: home(), TMPDIR: tmpdir(), LANG: "C.UTF-8", TZ: "UTC" };
}

let built: string | undefined;

/** The path of dist/coffer, built first where it is missing or older than its sources. */
export function binary(): string {
  if (built) return built;
  const path = join(project, "dist/coffer");
  if (modified(path) < newestSource()) {
    const build = Bun.spawnSync([process.execPath, join(project, "scripts/build.ts")], { stdout: "inherit", stderr: "inherit" });
    if (build.exitCode !== 0) throw new Error("dist/coffer cannot be built; the words above say why");
  }
  return (built = path);
}

function newestSource(): number {
  const sources = readdirSync(join(project, "src"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(
    ...sources.map((entry) => modified(join(entry.parentPath, entry.name))),
    modified(join(project, "package.json")),
    modified(join(project, "scripts/build.ts")),
  );
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

let homeDirectory: string | undefined;

function home(): string {
  if (homeDirectory) return homeDirectory;
  return (homeDirectory = mkdtempSync(join(tmpdir(), "coffer-home-")));
}

/** `bun test` fires no exit event; tests/support/setup.ts calls this. */
export function removeHome(): void {
  if (homeDirectory) removeTree(homeDirectory);
  homeDirectory = undefined;
}
