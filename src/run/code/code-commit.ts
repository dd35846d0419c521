import { findTop, GitFailure, runGit } from "./git.ts";

const PATIENCE_MS = 1000;

/**
 * The commit that is checked out around a directory, and its branch; null where there is none. Whether files differ from it is not asked: that would cost a look at
 * all of them. Outside a repository no process is started.
 */
export async function readCodeCommit(
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ code_commit: string | null; code_branch: string | null }> {
  const top = findTop(cwd);
  if (top === undefined) return { code_commit: null, code_branch: null };
  try {
    const { out } = await runGit({ directory: top, env, signal: AbortSignal.timeout(PATIENCE_MS) }, [
      "rev-parse",
      "HEAD",
      "--abbrev-ref",
      "HEAD",
    ]);
    const [commit = "", branch = ""] = out.toString().split("\n");
    return { code_commit: commit, code_branch: branch === "HEAD" ? null : branch };
  } catch (error) {
    // a repository without a commit, or no git
    if (!(error instanceof GitFailure)) throw error;
    return { code_commit: null, code_branch: null };
  }
}
