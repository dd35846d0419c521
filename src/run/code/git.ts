import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { errno, reason } from "../../domain/error.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface GitPlace {
  /** Where git is run. */
  directory: string;
  env: Env;
  /** Aborted when git has had time enough. */
  signal: AbortSignal;
}

/** Why git gave no answer; said to people as it is. */
export class GitFailure extends Error {}

/**
 * Runs git so that it changes nothing: no lock is taken, no index refreshed on disk, nothing asked.
 * Output beyond `limit` bytes is cut, and git ended.
 * @throws GitFailure
 */
export async function runGit(place: GitPlace, words: readonly string[], limit = 64 * 1024 * 1024): Promise<{ out: Buffer; cut: boolean }> {
  const env = { ...place.env, GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" };
  let git: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    git = Bun.spawn(["git", ...words], {
      cwd: place.directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      signal: place.signal,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new GitFailure(errno(error) === "ENOENT" ? "git is not installed" : reason(error));
  }
  const said = git.stderr.text();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of git.stdout) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) {
      git.kill("SIGKILL");
      break;
    }
  }
  const out = Buffer.concat(chunks);
  if (size > limit) return { out: out.subarray(0, limit), cut: true };
  const [code, complaint] = await Promise.all([git.exited, said]);
  if (place.signal.aborted) throw new GitFailure("git took too long");
  if (code === 0) return { out, cut: false };
  if (complaint.includes("dubious ownership"))
    throw new GitFailure("git does not trust this repository: it belongs to another user (git's safe.directory says what to do)");
  throw new GitFailure(
    /not a git repository/i.test(complaint) ? "no git repository" : (complaint.trim().split("\n")[0] ?? `git ended with ${code}`),
  );
}

/** The top of the working tree around a directory, found without starting git; undefined where there is none, or where variables of git's decide. */
export function findTop(cwd: string): string | undefined {
  for (let directory = cwd; ; directory = dirname(directory)) {
    if (existsSync(join(directory, ".git"))) return directory;
    if (dirname(directory) === directory) return undefined;
  }
}
