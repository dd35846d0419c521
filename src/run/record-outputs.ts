import { createReadStream, lstatSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../db/artifacts.ts";
import type { RunRow } from "../db/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { guessArtifactType } from "../domain/artifact-type.ts";
import { readWorkspaceManifest } from "../manifest/workspace-manifest.ts";
import type { ManifestItem } from "../manifest/workspace-manifest.ts";
import { recordArtifact } from "../registry/record.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import type { Admitted } from "../store/ingest.ts";
import type { IngestUnit } from "../store/ingest-unit.ts";
import type { Store } from "../store/store.ts";
import type { Problem } from "../store/walk.ts";
import { END_FILE } from "./begin.ts";
import { listOutputs } from "./outputs.ts";
import type { Outputs } from "./outputs.ts";
import type { RunRequest } from "./run.ts";

/** What a workspace holds that is to be kept, and what is said of it. */
export interface FoundOutputs {
  outputs: Outputs;
  units: IngestUnit[];
  /** What the script's own manifest says, by unit. */
  said: Map<IngestUnit, ManifestItem>;
  problems: Problem[];
  notes: string[];
}

/**
 * Lists the units of a workspace: what `listOutputs` finds, what `--register` names below a directory, and what the script's own
 * `manifest.yaml` names (which is then no output itself). `move`: their inodes may become blobs.
 */
export async function findOutputs(store: Store, workspace: string, request: RunRequest, move: boolean): Promise<FoundOutputs> {
  const manifest = readWorkspaceManifest(workspace);
  const ignore = [...store.settings.values.workspace.ignore, ...request.ignore, END_FILE, ...(manifest ? ["/manifest.yaml"] : [])];
  const outputs = listOutputs(workspace, { ignore, outputs: request.outputs });
  const found: FoundOutputs = { outputs, units: [], said: new Map(), problems: [...outputs.problems], notes: outputs.unmatched.map((pattern) => `--output ${pattern} matched nothing`) };
  const byItem = new Map((manifest?.items ?? []).map((item) => [item.path, item]));
  for (const { path, source, kind, linked } of outputs.units) {
    const item = byItem.get(path);
    const typed = request.register.has(path) || item !== undefined;
    const unit: IngestUnit = { path, source, kind, type: item?.type ?? (kind === "tree" ? "file" : guessArtifactType(path)), class: item?.class ?? null, typed, move: move && !linked };
    found.units.push(unit);
    if (item) found.said.set(unit, item);
  }
  for (const path of request.register.keys()) addInside(found, workspace, path, undefined, `--register ${request.register.get(path)}=${path}`);
  for (const item of byItem.values()) addInside(found, workspace, item.path, item, `manifest.yaml names ${item.path}`);
  for (const why of manifest?.problems ?? []) found.problems.push({ path: "manifest.yaml", why, failed: true });
  await dropMismatches(found);
  return found;
}

/**
 * Records the outputs in the transaction that admitted them. Items of a manifest come in the order of their dependencies; one whose dependency is missing
 * or would close a circle is not registered, and is a problem: it may not cost the others.
 */
export function recordOutputs(store: Store, run: RunRow, admitted: readonly Admitted[], found: FoundOutputs, request: RunRequest, readBefore: readonly ArtifactRow[]): { recorded: ArtifactRow[]; problems: Problem[] } {
  const recorded: ArtifactRow[] = [];
  const problems: Problem[] = [];
  const own = new Map<string, ArtifactRow>();
  const said = (unit: Admitted): ManifestItem | undefined => found.said.get(unit.unit);
  const plain = admitted.filter((unit) => !said(unit));
  for (const unit of plain) recorded.push(recordArtifact(store, run, unit, { role: "output", name: request.register.get(unit.unit.path), readBefore }));

  let waiting = admitted.filter((unit) => said(unit));
  const names = new Set(waiting.map((unit) => said(unit)?.id));
  while (waiting.length > 0) {
    const ready = waiting.filter((unit) => said(unit)?.dependsOn.every((id) => own.has(id) || !names.has(id) || id === said(unit)?.id));
    if (ready.length === 0) {
      for (const unit of waiting) problems.push({ path: unit.unit.path, why: `what it depends on depends on it: ${said(unit)?.id}`, failed: true });
      break;
    }
    for (const unit of ready) {
      const item = said(unit) as ManifestItem;
      try {
        const dependsOn = item.dependsOn.map((id) => own.get(id) ?? resolveArtifact(store, id).artifact);
        const row = recordArtifact(store, run, unit, { ...item, role: "output", name: request.register.get(item.path) ?? item.id, dependsOn, readBefore });
        own.set(item.id, row);
        recorded.push(row);
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        names.delete(item.id);
        problems.push({ path: item.path, why: reason(error), failed: true });
      }
    }
    waiting = waiting.filter((unit) => !ready.includes(unit));
  }
  return { recorded, problems };
}

/** A file below a directory that is an output itself becomes an artifact of its own as well; its bytes are stored once anyway. */
function addInside(found: FoundOutputs, workspace: string, path: string, item: ManifestItem | undefined, who: string): void {
  const before = found.units.find((unit) => unit.path === path);
  if (before) {
    if (item && !found.said.has(before)) found.said.set(before, item);
    return;
  }
  const source = join(workspace, path);
  const stat = lstatSync(source, { throwIfNoEntry: false });
  if (!stat?.isFile() && !stat?.isDirectory()) {
    if (item) found.problems.push({ path, why: `${who}, and the workspace has no such file`, failed: true });
    else found.notes.push(`${who}: the workspace has no such file`);
    return;
  }
  const kind = stat.isFile() ? "file" : "tree";
  const unit: IngestUnit = { path, source, kind, type: item?.type ?? (kind === "tree" ? "file" : guessArtifactType(path)), class: item?.class ?? null, typed: true, move: false };
  found.units.push(unit);
  if (item) found.said.set(unit, item);
}

/** A script that gives a hash wants it to hold. */
async function dropMismatches(found: FoundOutputs): Promise<void> {
  for (const [unit, item] of found.said) {
    if (item.sha256 === undefined || unit.kind !== "file") continue;
    const hasher = new Bun.CryptoHasher("sha256");
    for await (const chunk of createReadStream(unit.source, { highWaterMark: 1 << 18 })) hasher.update(chunk as Buffer);
    if (hasher.digest("hex") === item.sha256) continue;
    found.said.delete(unit);
    found.problems.push({ path: unit.path, why: "its bytes are not those of the hash in manifest.yaml: it is kept, but not registered", failed: true });
  }
}
