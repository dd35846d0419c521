import { listOrNothing } from "../../blobs/list-or-nothing.ts";
import { readRegular } from "../../blobs/read-regular.ts";
import { reading } from "../../db/open/open.ts";
import type { Work } from "../../db/open/open.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import * as lines from "../../db/records/journal.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { errno, reason } from "../../domain/error.ts";
import { pauseUntil } from "../../domain/pause.ts";
import type { Damage } from "../../store/damage/damage.ts";
import type { Store } from "../../store/store.ts";
import { journalRefusal } from "../../store/database/journal-file.ts";
import { journalKnowsMore } from "../../store/database/journal-knows-more.ts";
import { manifestKnowsMore } from "../../store/database/manifest-knows-more.ts";
import { manifestPieces } from "../export/run-manifest.ts";
import { DATABASE } from "../../store/database/replace-database.ts";
import { bodyOf, sealOf } from "../read/seal.ts";
import { markContradiction } from "./check-marks.ts";
import { contradictionOf } from "./contradiction.ts";
import type { Known } from "./contradiction.ts";
import { readLostRun } from "../read/lost-run.ts";
import { journalStamp, readJournal } from "../read/read-journal.ts";
import type { Journal } from "../read/read-journal.ts";

const EXTENSION = ".yaml";
const JOURNAL = "journal.jsonl";
const TRIES = 3;

export interface CheckOptions {
  /** Of the manifests, by chance: (0–1]. */
  share: number;
  random: () => number;
  stop: () => boolean;
  /** Only what the rows of these runs say against their manifests, by seq. */
  only?: readonly number[];
}

/**
 * Holds manifests and rows against each other. A manifest is missing, was changed since it was written, or is cut short: the rows know better. One that is as it was
 * written and says otherwise than the rows, or more, shows what no look at the database alone can: a page that is well formed and wrong, or commits that were lost.
 * Changes nothing; one manifest is in memory at a time.
 */
export async function checkManifests(store: Store, { share, random, stop, only }: CheckOptions): Promise<Damage[]> {
  const path = store.path("manifests", JOURNAL);
  const last = lines.lastWritten(store.db);
  let journal = await readJournal(path);
  const more = only || journal.failed !== undefined ? undefined : journalKnowsMore(store);
  const damage = only ? [] : checkNames(store, path, journal, { last, more });
  // another process may be at it: whoever writes a manifest or marks something has the write lock
  const lookAgain = async <T>(look: (journal: Journal) => T | undefined): Promise<T | undefined> => {
    for (let tries = 1; ; tries++) {
      if (journalStamp(path) !== journal.stamp) journal = await readJournal(path);
      const now = journal;
      const { found, isSure } = alone(store, () => ({ found: look(now), isSure: journalStamp(path) === now.stamp }));
      if (found === undefined || isSure || tries === TRIES) return found;
    }
  };
  const pause = pauseUntil(() => false);
  for (const seq of only ?? runsOf(store)) {
    await pause();
    if (stop()) break;
    if (share < 1 && random() >= share) continue;
    const look = (now: Journal): Damage | undefined => faultOf(store, seq, now, { leniently: only === undefined });
    const fault = look(journal) && (await lookAgain(look));
    if (fault) damage.push(fault);
  }
  // where the journal tells of more, that is why
  if (!only && share === 1 && !stop() && journal.unread.length === 0 && more === undefined) {
    const wrong =
      markContradiction(store.db, journal) &&
      (await lookAgain((now) => (lines.lastWritten(store.db) === now.last ? markContradiction(store.db, now) : undefined)));
    if (wrong !== undefined) damage.push({ digest: "", path: store.path(DATABASE), what: "database", detail: wrong });
  }
  return damage;
}

/** With the write lock; where nothing can be written, of one moment at least. */
function alone<T extends object>(store: Store, work: () => T): T {
  return (store.readOnly ? reading(store.db, work as Work<T>) : store.transaction(work as Work<T>)) as T;
}

function* runsOf(store: Store): Generator<number> {
  for (let run = runs.nextWithManifest(store.db, 0); run; run = runs.nextWithManifest(store.db, run.seq)) yield run.seq;
}

/** Manifests of runs that the rows do not know, and what the journal lacks or knows more. `last`: the line that it had before it was read. `more`: what it knows more. */
function checkNames(store: Store, path: string, journal: Journal, { last, more }: { last: number; more: string | undefined }): Damage[] {
  const damage: Damage[] = [];
  const names = listOrNothing(store.path("manifests"), ["ENOENT", "ENOTDIR"]).filter((name) => name.endsWith(EXTENSION));
  const strange = runs.unknownIds(
    store.db,
    names.map((name) => name.slice(0, -EXTENSION.length)),
  );
  for (const id of strange)
    damage.push(of(store, id, "it tells of a run that the database does not know: coffer rebuild --force reads it"));
  if (journal.last < last) journal.unread.push(`lines ${journal.last + 1} to ${last} of journal.jsonl are not there`);
  const refusal = journal.failed === undefined ? journalRefusal(path) : undefined;
  if (refusal !== undefined) journal.unread.unshift(`${JOURNAL}: ${refusal}`);
  const [words, ...others] = journal.unread;
  if (words !== undefined) {
    const detail = others.length > 0 ? `${words}; and ${others.length} more` : words;
    // rows that lack what it tells of are nothing to write it from
    damage.push({ digest: "", path, what: "manifest", detail, ...(more === undefined && { fromRows: "journal" as const }) });
  }
  if (more !== undefined) damage.push({ digest: "", path, what: "manifest", detail: `it ${more}: coffer rebuild --force reads it` });
  return damage;
}

/** `leniently`: where lines of the journal are gone, a mark that the manifest does not know stood there. Not before something is deleted by it. */
function faultOf(store: Store, seq: number, journal: Journal, { leniently }: { leniently: boolean }): Damage | undefined {
  const run = runs.bySeq(store.db, seq);
  if (!run || run.state === "running" || run.manifest === null) return undefined;
  const path = store.path("manifests", run.id + EXTENSION);
  const isDue = run.manifest === "due";
  let text: string;
  try {
    text = readRegular(path);
  } catch (error) {
    // one that is due may never have been there
    return isDue && errno(error) === "ENOENT" ? undefined : damagedOf(store, run, reason(error));
  }
  const seal = sealOf(text);
  if (seal === "changed") return damagedOf(store, run, "it was changed since it was written");
  const rows = [...manifestPieces(store, run)].join("");
  if (bodyOf(text) === bodyOf(rows)) return undefined;
  const then = readLostRun(text, path);
  if (typeof then === "string") return damagedOf(store, run, then);
  const more = manifestKnowsMore(store, path);
  if (more !== undefined) return of(store, run.id, `it ${more}: coffer rebuild --force reads it`);
  const now = readLostRun(rows, path);
  const known = isDue ? undefined : knownOf(store, journal, { through: then.journal ?? 0, leniently });
  const wrong = typeof now === "string" ? now : contradictionOf(now, then, known);
  if (wrong === undefined) return undefined;
  const detail = `${wrong}: manifests/${run.id}${EXTENSION} says so${seal === "whole" ? ", and is as it was written" : ""}`;
  return { digest: "", path: store.path(DATABASE), what: "database", detail };
}

/** `through`: the line of the journal that the manifest tells through. */
function knownOf({ db }: Store, journal: Journal, { through, leniently }: { through: number; leniently: boolean }): Known {
  const { marked, unread, last } = journal;
  const isGone = leniently && (unread.length > 0 || last < lines.lastWritten(db));
  const pending = new Set(lines.pendingOwners(db));
  return {
    run: (id) => runs.byId(db, id) !== null,
    artifact: (uid) => imported.byUid(db, uid) !== null,
    isMarked: (id) => isGone || (marked.get(id) ?? 0) > through || pending.has(id),
  };
}

function of(store: Store, id: string, detail: string): Damage {
  return { digest: "", path: store.path("manifests", id + EXTENSION), what: "manifest", detail };
}

/** The rows know better. */
function damagedOf(store: Store, run: RunRow, detail: string): Damage {
  return { ...of(store, run.id, detail), fromRows: { run: run.seq } };
}
