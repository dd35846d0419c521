import { isAbsolute, join } from "node:path";
import * as runs from "../../db/records/runs.ts";
import { bornAt } from "../../store/database/take-stock.ts";
import type { LostArtifact } from "../read/lost-run.ts";
import type { LeftRun } from "./left-workspaces.ts";
import { loggedLines } from "../read/read-journal.ts";
import type { Logged } from "../read/read-journal.ts";
import { restoreRun } from "./restore-run.ts";
import type { Restoring } from "./restore-run.ts";

interface Known {
  about: Logged["about"];
  artifacts: Map<string, LostArtifact>;
  /** The line through which nothing else tells of the run. */
  journal: number;
}

/**
 * Runs of which no manifest tells, since they had not ended or it is lost, and what was logged to them until then: the journal has both. They get their rows as
 * running ones, as those do of which there is only a workspace.
 */
export async function restoreLoggedRuns(restoring: Restoring, path: string, workspaces: string): Promise<LeftRun[]> {
  const { db, root } = restoring;
  const open = new Map<string, Known>();
  for await (const { seq, run, whole, about, artifacts } of loggedLines(path)) {
    if (runs.byId(db, run)) continue;
    const before = whole ? undefined : open.get(run);
    const known: Known = before ?? { about: undefined, artifacts: new Map(), journal: whole ? seq : 0 };
    known.about ??= about;
    // a later line knows more of the same
    for (const artifact of artifacts) known.artifacts.set(artifact.uid, artifact);
    open.set(run, known);
  }
  const left: LeftRun[] = [];
  for (const [id, { about, artifacts, journal }] of open) {
    const run = about ?? unknownRun(id, join(workspaces, "runs", id));
    restoreRun(restoring, { run, artifacts: [...artifacts.values()], journal }, "journal.jsonl");
    runs.update(db, runs.byId(db, id)?.seq ?? -1, { manifest: "due" });
    const { workspace } = run;
    left.push({ id, workspace: workspace === null ? "" : isAbsolute(workspace) ? workspace : join(root, workspace) });
  }
  return left;
}

/** The line that told of it is lost. */
function unknownRun(id: string, workspace: string): NonNullable<Logged["about"]> {
  const none = null;
  const [code, place] = [
    { code_commit: none, code_branch: none, code_remote: none, code_dirty: none },
    { dataset: none, pipeline: none, branch: [], step: none, sub_step: none, fold: none },
  ];
  const end = { ended_at: none, exit_code: none, signal: none, cpu_user_ms: none, cpu_system_ms: none, max_rss: none };
  const told = { params: {}, tags: {}, metrics: [], inputs: [], deliveries: [], events: [], environment: {}, configuration: {}, extra: {} };
  const about = { name: none, parent: none, command: none, directory: none, host: none, user: none, policy: none, note: none };
  return {
    ...{ id, kind: "wrapped", state: "running", adopted: 0, started_at: bornAt(id) ?? 0, removed_at: none },
    ...{ workspace, workspace_state: "present", ...about, ...end, ...place, ...code, ...told },
  };
}
