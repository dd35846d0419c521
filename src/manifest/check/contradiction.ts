import type { LostArtifact, LostRun } from "../read/lost-run.ts";

/** What never changes once a run has ended. */
const RUN = [
  ...["kind", "name", "state", "adopted", "exit_code", "signal", "started_at", "ended_at", "command", "directory", "host", "user"],
  ...["environment", "policy", "workspace", "dataset", "pipeline", "branch", "step", "sub_step", "fold", "code_commit", "code_branch"],
  ...["code_remote", "code_dirty", "cpu_user_ms", "cpu_system_ms", "max_rss", "configuration", "extra"],
] as (keyof LostRun["run"])[];

/** What never changes once an artifact is there. */
const ARTIFACT = [
  ...["artifact_id", "name", "version", "role", "kind", "digest", "size", "files", "mode", "path", "type", "class", "dataset", "pipeline"],
  ...["branch", "step", "sub_step", "fold", "format", "format_version", "description", "params", "metrics", "feature_columns"],
  ...["code_commit", "created_at", "extra"],
] as (keyof LostArtifact)[];

/** Of bytes that an import left elsewhere: known when somebody reads them. */
const LEARNED: ReadonlySet<keyof LostArtifact> = new Set(["digest", "size"] as const);

/** Changes only with the manifest. */
const WITH_IT = { run: ["note", "params", "metrics"] as const, artifact: ["deliver"] as const };

/** What is known beside two manifests. */
export interface Known {
  /** Whether a run has this id, an artifact this uid: a link to one that was lost went with it. */
  run(id: string): boolean;
  artifact(uid: string): boolean;
  /** Whether the journal tells of a mark of this run or artifact that the manifest does not know yet. */
  isMarked(id: string): boolean;
}

/**
 * Where the rows of a run (`now`, as a manifest would have them) say otherwise than its manifest (`then`) although nothing changed them in between; undefined where they
 * do not. `known`: the manifest was written after the last change; without it only what never changes counts.
 */
export function contradictionOf(now: LostRun, then: LostRun, known?: Known): string | undefined {
  const key = RUN.find((name) => differs(now.run[name], then.run[name]));
  if (key !== undefined) return differenceOf(`run ${then.run.id}`, key, now.run[key], then.run[key]);
  const rows = new Map(now.artifacts.map((artifact) => [artifact.uid, artifact]));
  for (const artifact of then.artifacts) {
    const row = rows.get(artifact.uid);
    if (!row) continue;
    const isElsewhere = artifact.foreign !== undefined || row.foreign !== undefined;
    const wrong = ARTIFACT.find((name) => differs(row[name], artifact[name]) && !(isElsewhere && LEARNED.has(name)));
    if (wrong !== undefined) return differenceOf(artifact.artifact_id, wrong, row[wrong], artifact[wrong]);
  }
  return known && laterContradiction(now, then, known);
}

function laterContradiction(now: LostRun, then: LostRun, known: Known): string | undefined {
  if (then.store && differs(now.store, then.store)) return differenceOf("the store", "id", now.store?.id, then.store.id);
  const { id } = then.run;
  const who = `run ${id}`;
  for (const key of WITH_IT.run) if (differs(now.run[key], then.run[key])) return differenceOf(who, key, now.run[key], then.run[key]);
  if (then.run.parent !== now.run.parent && known.run(then.run.parent ?? ""))
    return differenceOf(who, "parent", now.run.parent, then.run.parent);
  const inputs = (run: LostRun["run"]): unknown[] =>
    run.inputs.map((input) => ({ ...input, artifact: input.artifact !== null && known.artifact(input.artifact) ? input.artifact : null }));
  if (differs(inputs(now.run), inputs(then.run))) return `${who} read other things`;
  if (!known.isMarked(id))
    for (const key of ["tags", "removed_at"] as const)
      if (differs(now.run[key], then.run[key])) return differenceOf(who, key, now.run[key], then.run[key]);
  const told = new Map(then.artifacts.map((artifact) => [artifact.uid, artifact]));
  for (const row of now.artifacts) {
    const artifact = told.get(row.uid);
    if (!artifact) return `${who} is said to have ${row.artifact_id}`;
    const wrong = artifactContradiction(row, artifact, known);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function artifactContradiction(now: LostArtifact, then: LostArtifact, known: Known): string | undefined {
  const who = then.artifact_id;
  for (const key of WITH_IT.artifact) if (differs(now[key], then[key])) return differenceOf(who, key, now[key], then[key]);
  const edges = ({ edges: all }: LostArtifact): unknown[] => all.filter(({ to }) => known.artifact(to));
  if (differs(edges(now), edges(then))) return `${who} is said to be made from other things`;
  const sources = ({ meta_sources: all }: LostArtifact): unknown[] => all.filter(({ source }) => known.artifact(source));
  if (differs(sources(now), sources(then))) return `${who} is said to have other sources`;
  if (known.isMarked(then.uid)) return undefined;
  const key = (["state", "state_at", "tags"] as const).find((name) => differs(now[name], then[name]));
  return key && differenceOf(who, key, now[key], then[key]);
}

const LONGEST = 80;

function differenceOf(who: string, key: string, now: unknown, then: unknown): string {
  const words = (value: unknown): string => JSON.stringify(value)?.slice(0, LONGEST) ?? "nothing";
  return `${who} has ${key} ${words(now)}, and not ${words(then)}`;
}

function differs(one: unknown, other: unknown): boolean {
  return !Bun.deepEquals(one, other);
}
