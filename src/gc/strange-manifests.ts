import { readFileSync } from "node:fs";
import { listOrNothing } from "../blobs/list-or-nothing.ts";
import * as runs from "../db/runs.ts";
import { reason } from "../domain/error.ts";
import { filePart } from "../domain/names.ts";
import type { Store } from "../store/store.ts";

/** Manifests of runs that the database does not know: then the database is the one that lacks something. */
export interface StrangeManifests {
  /** Those that can be read, by the directory below `binaries/` that they may name files of. */
  named: Map<string, string>;
  /** Those that cannot. */
  stopped: { manifest: string; dataset: string | null; because: string }[];
}

/** Manifests of known runs are not opened: there the rows are the truth. */
export function strangeManifests(store: Store): StrangeManifests {
  const strange: StrangeManifests = { named: new Map(), stopped: [] };
  let names: string[] = [];
  try {
    names = listOrNothing(store.path("manifests"), ["ENOENT"]).filter((name) => name.endsWith(".yaml"));
  } catch (error) {
    strange.stopped.push({
      manifest: "manifests",
      dataset: null,
      because: `manifests/ cannot be listed (${reason(error)}): make it readable`,
    });
  }
  const ids = names.map((name) => name.slice(0, -".yaml".length));
  for (const id of runs.unknownIds(store.db, ids)) {
    const manifest = `manifests/${id}.yaml`;
    const { datasets, fault } = look(store.path(manifest));
    if (fault === undefined) for (const dataset of datasets) strange.named.set(filePart(dataset), manifest);
    else strange.stopped.push({ manifest, dataset: datasets[0] ?? null, because: stopWords(manifest, fault) });
  }
  return strange;
}

function stopWords(manifest: string, fault: string): string {
  return `${manifest} cannot be read (${fault}) and tells of a run that the database does not know: mend it, or set it aside by naming it ${manifest}.aside`;
}

/** The datasets that a manifest speaks of, or what is wrong with it; where it broke off, the dataset that it began with. */
function look(path: string): { datasets: string[]; fault: string | undefined } {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
    const datasets = datasetsIn(Bun.YAML.parse(text));
    if (datasets) return { datasets, fault: undefined };
    return { datasets: begun(text), fault: "it is no manifest of schema 2.0, or it broke off" };
  } catch (error) {
    return { datasets: begun(text), fault: reason(error) };
  }
}

function datasetsIn(manifest: unknown): string[] | undefined {
  const { dataset, artifacts, coffer } = objectOf(manifest);
  // the block comes last: without it, what was written broke off between two lines
  const its = objectOf(coffer)["artifacts"];
  if (typeof dataset !== "string" || !Array.isArray(objectOf(artifacts)["items"]) || !Array.isArray(its)) return undefined;
  const others = its.map((artifact) => objectOf(artifact)["dataset"]).filter((own) => typeof own === "string");
  return [...new Set([dataset, ...others])];
}

function begun(text: string): string[] {
  const found = /^dataset: ("(?:[^"\\]|\\.)*")$/m.exec(text)?.[1];
  return found === undefined ? [] : [JSON.parse(found) as string];
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
