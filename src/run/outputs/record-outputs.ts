import { existsSync, realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { guessArtifactType } from "../../domain/artifact-type.ts";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import type { Algorithm } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { knownSecrets } from "../../domain/redact.ts";
import type { ScriptItem } from "../../manifest/export/workspace-manifest.ts";
import { requireMetaModel } from "../../registry/meta-model.ts";
import { recordArtifact } from "../../registry/record.ts";
import { withoutSecrets } from "../../registry/without-secrets.ts";
import { resolveArtifact } from "../../registry/resolve.ts";
import { digestPath } from "../../store/digest-path.ts";
import type { Admitted } from "../../store/ingest/admitted.ts";
import type { IngestUnit } from "../../store/ingest/ingest-unit.ts";
import { sha256OfFile } from "../../store/sha256.ts";
import type { Store } from "../../store/store.ts";
import type { Problem } from "../../store/ingest/walk.ts";
import { END_FILE } from "../begin.ts";
import { listOutputs } from "./outputs.ts";
import type { Outputs } from "./outputs.ts";
import type { RunRequest } from "../run.ts";
import { liesInside, lookAtWorkspace } from "../workspace/workspace.ts";

/** What a workspace holds that is to be kept, and what is said of it. */
export interface FoundOutputs {
  outputs: Outputs;
  units: IngestUnit[];
  /** What the script's own manifest says, by unit; several items may share one file. */
  said: Map<IngestUnit, ScriptItem[]>;
  /** Ids of items that cannot be registered: what depends on them cannot be either. */
  refused: Set<string>;
  problems: Problem[];
  notes: string[];
}

export type OutputRules = Pick<RunRequest, "env" | "ignore" | "outputs" | "register">;

/**
 * Lists the units of a workspace: what `listOutputs` finds, what `--register` names below a directory, and what the script's own `manifest.yaml` names (which is then
 * no output itself). `mayMove`: their inodes may become blobs, unless something keeps the workspace in its place.
 */
export async function findOutputs(store: Store, workspace: string, rules: OutputRules, mayMove: boolean): Promise<FoundOutputs> {
  const state = lookAtWorkspace(workspace);
  if (state === "gone") return nothingFound({ path: "the workspace", why: "the command removed it", failed: false });
  if (state === "replaced")
    return nothingFound({ path: "the workspace", why: "the command put something else in its place", failed: true });
  const told = existsSync(join(workspace, "manifest.yaml"))
    ? (await import("../../manifest/export/workspace-manifest.ts")).readWorkspaceManifest(workspace)
    : undefined;
  const manifest = told?.isOutput ? undefined : told;
  const ignore = [...store.settings.values.workspace.ignore, ...rules.ignore];
  const listed = listOutputs(workspace, { ignore, outputs: rules.outputs });
  // what a script's manifest says is recorded: no rule of the user's leaves it out
  const outputs = manifest ? { ...listed, isLeftOut: (path: string) => path !== "manifest.yaml" && listed.isLeftOut(path) } : listed;
  const problems = [
    ...outputs.problems,
    ...outputs.unmatched.map((pattern) => ({ path: pattern, why: `--output ${pattern} matched nothing`, failed: true })),
  ];
  const found: FoundOutputs = { outputs, units: [], said: new Map(), refused: new Set(), problems, notes: told?.notes ?? [] };
  const secrets = knownSecrets(rules.env);
  const said = (manifest?.items ?? []).map((item) => withoutSecrets(item, secrets));
  const items = Map.groupBy(said, (item) => item.path);
  for (const { path, source, kind, linked } of outputs.units) {
    if (manifest && path === "manifest.yaml" && rules.outputs.length === 0) continue;
    if (path === END_FILE) found.problems.push({ path, why: "coffer keeps this name for itself", failed: true });
    else add(found, { path, source, kind, move: mayMove && !linked }, rules.register.has(path), items.get(path));
  }
  for (const [path, names] of rules.register)
    addInside(
      found,
      workspace,
      path,
      items.get(path),
      mayMove,
      `--register ${names[0]}=${path}`,
      `: ${names.join(", ")} got no new version`,
    );
  for (const [path, its] of items) addInside(found, workspace, path, its, mayMove, "manifest.yaml names it");
  for (const why of told?.problems ?? []) found.problems.push({ path: "manifest.yaml", why, failed: true });
  await dropMismatches(found);
  // what somebody says more of comes first: bytes get their file's name from whoever brings them first
  found.units.sort((one, other) => Number(other.typed) - Number(one.typed));
  if (found.problems.some((problem) => problem.failed)) for (const unit of found.units) unit.move = false;
  return found;
}

export function nothingFound(problem: Problem): FoundOutputs {
  const outputs: Outputs = { units: [], problems: [], unmatched: [], ignoredWithin: () => false, isLeftOut: () => false };
  return { outputs, units: [], said: new Map(), refused: new Set(), problems: [problem], notes: [] };
}

/**
 * Records the outputs in the transaction that admitted them. Items of a manifest come in the order of their dependencies. One whose dependency is missing, or that
 * would close a circle, is a problem and an ordinary output of the run: it may not cost the others, or its bytes.
 */
export function recordOutputs(
  store: Store,
  run: RunRow,
  admitted: readonly Admitted[],
  found: FoundOutputs,
  register: OutputRules["register"],
  readBefore: readonly ArtifactRow[],
): { recorded: ArtifactRow[]; problems: Problem[] } {
  const recorded: ArtifactRow[] = [];
  const problems: Problem[] = [];
  const registered = new Set<Admitted>();
  const made = new Map<string, ArtifactRow>();
  const refused = new Set(found.refused);
  const keep = (unit: Admitted, row: ArtifactRow): void => {
    recorded.push(row);
    registered.add(unit);
  };
  const refuse = (item: ScriptItem, why: string): void => {
    refused.add(item.id);
    problems.push({ path: item.path, why: `${item.id} is not registered: ${why}`, failed: true });
  };

  let waiting = admitted.flatMap((unit) => (found.said.get(unit.unit) ?? []).map((item) => ({ unit, item })));
  const ids = new Set(waiting.map(({ item }) => item.id));
  const madeFrom = ({ dependsOn, sourceIds }: ScriptItem): string[] => [...dependsOn, ...sourceIds];
  const known = (id: string): ArtifactRow => made.get(id) ?? resolveArtifact(store, id).artifact;
  while (waiting.length > 0) {
    const ready = waiting.filter(({ item }) =>
      madeFrom(item).every((id) => made.has(id) || refused.has(id) || !ids.has(id) || id === item.id),
    );
    if (ready.length === 0) {
      for (const { item } of waiting) refuse(item, "what it depends on depends on it");
      break;
    }
    for (const { unit, item } of ready) {
      const lacking = madeFrom(item).find((id) => refused.has(id));
      if (lacking !== undefined) {
        refuse(item, `it depends on ${lacking}, which is not`);
        continue;
      }
      try {
        requireMetaModel(item.type, item.sourceIds.length, item.featureColumns);
        const sources = item.sourceIds.map(known);
        if (new Set(sources.map(({ seq }) => seq)).size < sources.length)
          throw new CofferError("USAGE", "it names a source twice", { hint: "name each source once, in the order of its features" });
        // manifests name the sources of a meta-model among what it depends on, too
        const dependsOn = item.dependsOn.filter((id) => !item.sourceIds.includes(id)).map((id) => ({ artifact: known(id) }));
        const row = recordArtifact(store, run, unit, { ...item, role: "output", name: item.id, dependsOn, sources, readBefore });
        made.set(item.id, row);
        keep(unit, row);
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        refuse(item, error.message);
      }
    }
    waiting = waiting.filter((one) => !ready.includes(one));
  }
  for (const unit of admitted) {
    for (const name of register.get(unit.unit.path) ?? [])
      keep(unit, recordArtifact(store, run, unit, { role: "output", name, type: registeredType(unit.unit.path), readBefore }));
    if (!registered.has(unit)) keep(unit, recordArtifact(store, run, unit, { role: "output", readBefore }));
  }
  return { recorded, problems };
}

function add(
  found: FoundOutputs,
  unit: Pick<IngestUnit, "path" | "source" | "kind" | "move">,
  isRegistered: boolean,
  items: ScriptItem[] | undefined,
): void {
  const type =
    items?.[0]?.type ?? (isRegistered ? registeredType(unit.path) : unit.kind === "tree" ? "file" : guessArtifactType(unit.path));
  const added: IngestUnit = { ...unit, type, class: items?.[0]?.class ?? null, typed: isRegistered || items !== undefined };
  found.units.push(added);
  if (items) found.said.set(added, items);
}

/** A file below a directory that is an output itself becomes an artifact of its own as well; its bytes are stored once anyway. */
function addInside(
  found: FoundOutputs,
  workspace: string,
  path: string,
  items: ScriptItem[] | undefined,
  mayMove: boolean,
  who: string,
  outcome = "",
): void {
  if (found.units.some((unit) => unit.path === path)) return;
  const source = join(workspace, path);
  const stat = statInside(source, workspace);
  if (!stat) {
    found.problems.push({ path, why: `${who}, and the workspace has no such file or directory${outcome}`, failed: true });
    for (const item of items ?? []) found.refused.add(item.id);
    return;
  }
  const real = realpathSync(source);
  add(
    found,
    { path, source: real, kind: stat.isFile() ? "file" : "tree", move: mayMove && real === join(realpathSync(workspace), path) },
    true,
    items,
  );
}

/** A file or directory of the workspace's own; undefined for what is neither, or is reached through a link that leads out. */
function statInside(path: string, workspace: string): Stats | undefined {
  try {
    const stat = statSync(path);
    return (stat.isFile() || stat.isDirectory()) && liesInside(path, workspace) ? stat : undefined;
  } catch {
    return undefined;
  }
}

/** A script that gives a hash wants it to hold. */
async function dropMismatches(found: FoundOutputs): Promise<void> {
  for (const [unit, items] of found.said) {
    const wrong = new Map<ScriptItem, string>();
    for (const [algorithm, its] of Map.groupBy(items, ({ digest }) => digest?.algorithm)) {
      if (algorithm === undefined) continue;
      const hex = unit.kind === "file" ? await hexOf(unit.source, algorithm) : undefined;
      for (const item of its)
        if (unit.kind !== "file") wrong.set(item, "the content_hash of a directory cannot be checked: leave it out");
        else if (item.digest?.hex !== hex) wrong.set(item, "the bytes are not those of its content_hash in manifest.yaml");
    }
    if (wrong.size === 0) continue;
    found.said.set(
      unit,
      items.filter((item) => !wrong.has(item)),
    );
    for (const [item, why] of wrong) {
      found.refused.add(item.id);
      found.problems.push({ path: unit.path, why: `${item.id} is not registered: ${why}`, failed: true });
    }
  }
}

/** undefined where it cannot be read, which is told when it is to be stored. */
async function hexOf(path: string, algorithm: Algorithm): Promise<string | undefined> {
  try {
    return algorithm === "blake3" ? (await digestPath(path)).hex : (await sha256OfFile(path)).toString("hex");
  } catch {
    return undefined;
  }
}

/** What somebody registers, and whose file name tells nothing, is a model: that is what registries are for. */
function registeredType(path: string): ArtifactType {
  const guessed = guessArtifactType(path);
  return guessed === "file" ? "model" : guessed;
}
