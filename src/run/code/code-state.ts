import { relative } from "node:path";
import { displayRemote } from "../../domain/secret.ts";
import type { Capture, Skipped } from "./code-capture.ts";
import { findTop, GitFailure, runGit } from "./git.ts";
import type { GitPlace } from "./git.ts";
import { parseGitStatus } from "./git-status.ts";
import type { GitStatus } from "./git-status.ts";
import { plainRemotes } from "./plain-remotes.ts";
import { knownSecrets, redactText } from "../../domain/redact.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The version of the code that a run used. What is not known is null, and `reason` says why. */
export interface CodeState {
  commit: string | null;
  branch: string | null;
  /** Without its user part, and without tokens. */
  remote: string | null;
  /** Whether anything differs from the commit, untracked files included. */
  dirty: boolean | null;
  /** What differs, where something does and may be kept. */
  capture: Capture | null;
  /** What the capture leaves out. */
  skipped: Skipped[];
  reason: string | null;
}

/** The reason that is none to mention. */
export const NO_REPOSITORY = "no git repository";

export interface CodeOptions {
  cwd: string;
  env: Env;
  /** Where the capture goes; nothing may be there yet. Awaited where something differs. */
  captureTo: string | Promise<string>;
  /** Absolute: the store, the workspaces, MLflow's tree. They are no code, though they may lie in the repository. */
  exclude: readonly string[];
  /** Bytes in all, and in one file. */
  maxBytes?: number;
  maxFileBytes?: number;
  /** Milliseconds that a huge repository may hold up the run. */
  timeoutMs?: number;
  /** Aborted when nobody wants to know any more. */
  signal?: AbortSignal;
}

/**
 * Reads the state of the repository around a directory. Await it before the child is started: the child may edit the code. It never throws, and outside a repository
 * it starts no process. (10,000 files: 25 ms clean, 35 ms with changes, most of it git's own, so start it first and await it late.)
 */
export async function readCodeState(options: CodeOptions): Promise<CodeState> {
  const { cwd, env, exclude, captureTo, maxBytes = 10 * 1024 * 1024, maxFileBytes = 1024 * 1024, timeoutMs = 3000 } = options;
  const state: CodeState = { commit: null, branch: null, remote: null, dirty: null, capture: null, skipped: [], reason: null };
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeoutMs);
  options.signal?.addEventListener("abort", () => limit.abort(), { once: true });
  try {
    const top = await topOf({ directory: cwd, env, signal: limit.signal });
    if (top === undefined) return { ...state, reason: NO_REPOSITORY };
    const place: GitPlace = { directory: top, env, signal: limit.signal };
    const own = exclude.map((path) => relative(top, path)).filter((path) => path !== "" && !path.startsWith(".."));
    const [status, remotes] = await Promise.all([readStatus(place, own), readRemotes(place)]);
    state.commit = status.commit;
    state.branch = status.branch;
    const remote = chooseRemote(remotes, status.upstream);
    // some hosts take a token in the path
    state.remote = remote === undefined ? null : redactText(displayRemote(remote), knownSecrets(env));
    state.dirty = status.changed.length + status.untracked.length > 0;
    if (state.dirty) {
      const { captureCode } = await import("./code-capture.ts");
      Object.assign(
        state,
        await captureCode({ place, status, exclude: own, secrets: knownSecrets(env), maxBytes, maxFileBytes, to: await captureTo }),
      );
    }
  } catch (error) {
    state.reason =
      error instanceof GitFailure
        ? error.message
        : `the code could not be captured: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    clearTimeout(timer);
  }
  return state;
}

async function topOf(place: GitPlace): Promise<string | undefined> {
  if (!place.env["GIT_DIR"] && !place.env["GIT_WORK_TREE"]) return findTop(place.directory);
  return (await runGit(place, ["rev-parse", "--show-toplevel"])).out.toString().replace(/\n$/, "");
}

async function readStatus(place: GitPlace, own: readonly string[]): Promise<GitStatus> {
  const outside = own.length > 0 ? ["--", ".", ...own.map((path) => `:(top,literal,exclude)${path}`)] : [];
  // neither renames nor the distance to the upstream branch, which can cost more than all the rest
  const words = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames", "--no-ahead-behind"];
  const { out } = await runGit(place, [...words, ...outside]);
  return parseGitStatus(out.toString());
}

async function readRemotes(place: GitPlace): Promise<Map<string, string>> {
  const plain = plainRemotes(place);
  if (plain) return plain;
  const remotes = new Map<string, string>();
  try {
    const { out } = await runGit(place, ["config", "--null", "--get-regexp", "^remote\\..*\\.url$"]);
    for (const entry of out.toString().split("\0").filter(Boolean)) {
      const [key = "", url = ""] = entry.split("\n");
      const name = key.slice("remote.".length, -".url".length);
      if (!remotes.has(name)) remotes.set(name, url);
    }
  } catch (error) {
    // git config ends with 1 where there is none
    if (!(error instanceof GitFailure)) throw error;
  }
  return remotes;
}

/** The one that the branch follows, else origin, else the first. */
function chooseRemote(remotes: ReadonlyMap<string, string>, upstream: string | null): string | undefined {
  const followed = [...remotes.keys()].find((name) => upstream?.startsWith(`${name}/`));
  return remotes.get(followed ?? "origin") ?? [...remotes.values()][0];
}
