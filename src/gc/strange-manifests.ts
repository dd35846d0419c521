import { listOrNothing } from "../blobs/list-or-nothing.ts";
import * as runs from "../db/records/runs.ts";
import { reason } from "../domain/error.ts";
import type { Store } from "../store/store.ts";
import { journalKnowsMore } from "../store/database/journal-knows-more.ts";
import { manifestKnowsMore } from "../store/database/manifest-knows-more.ts";

/** Why gc takes nothing: a manifest that tells of what the database does not know, so the database is the one that lacks something. */
export interface Stop {
  manifest: string;
  because: string;
}

/** What is said of each thing that stays for that. */
export const STOPPED = "gc is stopped";

const EXTENSION = ".yaml";

/** Manifests of runs that the database does not know. None is opened: what such a run used, and from what it was made, may be anything that is here. */
export function strangeRuns(store: Store): Stop[] {
  try {
    return runs.unknownIds(store.db, idsOf(store)).map((id) => stop(id, "tells of a run that the database does not know"));
  } catch (error) {
    return [{ manifest: "manifests", because: `manifests/ cannot be listed (${reason(error)}): make it readable` }];
  }
}

/** Manifests of known runs that tell of more than their rows, and a journal that does. All are read: that is for when something is to be deleted. Yields after each. */
export function* strangeArtifacts(store: Store): Generator<void, Stop[]> {
  const said = wordsOfJournal(store);
  const stops = said === undefined ? [] : [stop("journal", said, ".jsonl")];
  for (const id of idsOf(store)) {
    const because = manifestKnowsMore(store, store.path("manifests", id + EXTENSION));
    if (because !== undefined) stops.push(stop(id, because));
    yield;
  }
  return stops;
}

function wordsOfJournal(store: Store): string | undefined {
  try {
    return journalKnowsMore(store);
  } catch (error) {
    return `cannot be read (${reason(error)}), and may tell of what the database does not know`;
  }
}

function idsOf(store: Store): string[] {
  const names = listOrNothing(store.path("manifests"), ["ENOENT"]);
  return names.filter((name) => name.endsWith(EXTENSION)).map((name) => name.slice(0, -EXTENSION.length));
}

function stop(id: string, what: string, extension = EXTENSION): Stop {
  const manifest = `manifests/${id}${extension}`;
  return {
    manifest,
    because: `${manifest} ${what}: put the database back that knew it, or make it anew with coffer rebuild --force, or set it aside by naming it ${manifest}.aside`,
  };
}
