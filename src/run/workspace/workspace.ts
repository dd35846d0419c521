import { chmodSync, lstatSync, mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { CofferError, errno, reason } from "../../domain/error.ts";

/** The workspace of a run, below a workspace root. */
export function workspacePath(root: string, runId: string): string {
  return join(root, "runs", runId);
}

/**
 * Makes it (mode 0755) and returns its path. The root itself may be reached through a link (`~/work → /scratch/me`); what is below it
 * may not, or a run could be led out of it.
 * @throws CofferError STORE_UNUSABLE, PATH_INVALID
 */
export function makeWorkspace(root: string, runId: string): string {
  const runs = join(root, "runs");
  const workspace = workspacePath(root, runId);
  try {
    mkdirSync(runs, { recursive: true });
    if (lstatSync(runs).isSymbolicLink())
      throw new CofferError("PATH_INVALID", `${runs} is a link`, { hint: "remove it, or let the workspace root itself be the link" });
    mkdirSync(workspace, { mode: 0o755 });
    // whatever the umask says: a container's other user may have to read it
    chmodSync(workspace, 0o755);
  } catch (error) {
    if (error instanceof CofferError) throw error;
    if (errno(error) === "EEXIST")
      throw new CofferError("PATH_INVALID", `${workspace} is there already`, {
        hint: "every run has a workspace of its own: remove what lies there",
        cause: error,
      });
    throw new CofferError("STORE_UNUSABLE", `no workspace can be made in ${root}: ${reason(error)}`, {
      hint: "make it writable, or set CORE_ARTIFACT_ROOT (workspace.root) to a directory that is",
      cause: error,
    });
  }
  return workspace;
}

/** What a run left of its workspace: it may have removed it, or put something else in its place. */
export function lookAtWorkspace(workspace: string): "there" | "gone" | "replaced" {
  const stat = lstatSync(workspace, { throwIfNoEntry: false });
  return stat === undefined ? "gone" : stat.isDirectory() ? "there" : "replaced";
}

/** Whether a path, links followed, lies below a directory. */
export function liesInside(path: string, directory: string): boolean {
  return realpathSync(path).startsWith(`${realpathSync(directory)}/`);
}
