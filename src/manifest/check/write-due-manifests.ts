import { readRegular } from "../../blobs/read-regular.ts";
import { renameNoReplace } from "../../blobs/durable.ts";
import type { RunRow } from "../../db/records/runs.ts";
import type { Store } from "../../store/store.ts";
import { manifestKnowsMore } from "../../store/database/manifest-knows-more.ts";
import { manifestPieces, writeRunManifests } from "../export/run-manifest.ts";
import { readLostRun } from "../read/lost-run.ts";
import { lastingPart, sealOf } from "../read/seal.ts";
import { contradictionOf } from "./contradiction.ts";

/** Writes the manifests that are due, also in place of older ones: but for those that the rows contradict, and those that tell of more, which are kept. */
export function writeDueManifests(store: Store): void {
  writeRunManifests(store, replacement);
}

/** What is written in place of a manifest that is as it was written is made once, to be held against it: both are in memory then. */
function replacement(store: Store, run: RunRow): string | Generator<string> | undefined {
  const path = store.path("manifests", `${run.id}.yaml`);
  const before = textAt(path);
  if (before === undefined || sealOf(before) !== "whole") {
    moveFuller(store, run.id, path);
    return manifestPieces(store, run);
  }
  const now = [...manifestPieces(store, run)].join("");
  if (lastingPart(now) !== lastingPart(before)) {
    if (isContradicted(store, { id: run.id, path, now, before })) return undefined;
    // what lasts is the same otherwise, and so are the artifacts
    moveFuller(store, run.id, path, before);
  }
  return now;
}

/**
 * Where rows say otherwise of what never changes than a manifest that is as it was written, the database is damaged: the manifest is what it can be made again from.
 */
function isContradicted(store: Store, { id, path, now, before }: { id: string; path: string; now: string; before: string }): boolean {
  const [rows, manifest] = [now, before].map((one) => readLostRun(one, path));
  if (typeof rows !== "object" || typeof manifest !== "object") return false;
  const wrong = contradictionOf(rows, manifest);
  if (wrong === undefined) return false;
  store.say(`${wrong}: manifests/${id}.yaml says so. It stays as it is: coffer verify tells more`);
  return true;
}

function textAt(path: string): string | undefined {
  try {
    return readRegular(path);
  } catch {
    return undefined;
  }
}

/** Where an older database was put back, the manifest may be all that tells of some artifacts: it stays beside the new one, and gc is stopped by it. */
function moveFuller(store: Store, run: string, path: string, text?: string): void {
  const because = manifestKnowsMore(store, path, text);
  if (because === undefined) return;
  const beside = `${run}.${new Date(store.now()).toISOString().replaceAll(":", "")}.yaml`;
  if (!renameNoReplace(path, store.path("manifests", beside))) throw new Error(`manifests/${beside} is there already`);
  store.say(`manifests/${run}.yaml ${because}; it is manifests/${beside} now`);
}
