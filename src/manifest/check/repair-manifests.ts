import { rmSync } from "node:fs";
import { replaceFile, syncDirectory } from "../../blobs/durable.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import * as journal from "../../db/records/journal.ts";
import * as runs from "../../db/records/runs.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";
import type { Damage } from "../../store/damage/damage.ts";
import type { Repair } from "../../store/damage/repair.ts";
import { setAside } from "../../store/damage/set-aside.ts";
import type { Store } from "../../store/store.ts";
import { journalRefusal } from "../../store/database/journal-file.ts";
import { journalLines } from "../../store/database/journal-lines.ts";
import { journalRun } from "../../store/database/journal-run.ts";
import { writeDueManifests } from "./write-due-manifests.ts";

/**
 * Writes manifests and the journal anew from the rows, where `checkManifests` found them missing or damaged. What lies there moves to `damaged/` first. A crash leaves
 * manifests that are due, and the next command writes them. `found`: nothing of the database itself is damaged.
 */
export function repairManifests(store: Store, found: readonly Damage[], done: Pick<Repair, "repaired" | "aside" | "failed">): Damage[] {
  return found.filter((one) => {
    if (one.fromRows === undefined) return true;
    const { path, fromRows } = one;
    try {
      const aside = fromRows === "journal" ? writeJournalAnew(store, path) : writeManifestAnew(store, path, fromRows.run);
      if (aside !== undefined && !done.aside.includes(aside)) done.aside.push(aside);
      const isSaid = done.repaired.some((other) => other.path === path);
      if (!isSaid) done.repaired.push({ digest: "", path, from: "itself", source: "the rows, of which it was written anew" });
      return false;
    } catch (error) {
      if (!(error instanceof CofferError) && errno(error) === undefined) throw error;
      done.failed.push({ path, error: reason(error) });
      return true;
    }
  });
}

function writeManifestAnew(store: Store, path: string, run: number): string | undefined {
  const aside = moveAside(store, path);
  store.transaction(() => runs.update(store.db, run, { manifest: "due" }));
  writeDueManifests(store);
  return aside;
}

/**
 * What the journal tells of marks, states, deletions and deliveries stands in manifests as well, once those are written anew. The rest are few lines, and the rows have
 * them all: they are appended first; so is all that is known of runs that go on, of which there is no manifest. Only then do the old lines go, all at once; until then
 * the old file is there.
 */
function writeJournalAnew(store: Store, path: string): string | undefined {
  // what is no file of ours takes no lines
  const unreadable = isOwn(path) ? undefined : moveAside(store, path);
  const before = store.transaction(() => {
    const last = journal.lastSeq(store.db);
    // none of them is there any more, or nothing would be written anew
    journal.forgetUnknown(store.db);
    runs.allManifestsAreDue(store.db);
    journal.append(store.db, { at: store.now(), did: "anew" });
    journal.appendStanding(store.db, store.now());
    for (const run of runs.list(store.db, { state: "running", removed: true }))
      journalRun(store, run, artifacts.ofRun(store.db, run.seq, "any"), "all");
    return last;
  });
  writeDueManifests(store);
  // nobody appends to it meanwhile
  return store.transaction(() => {
    const due = runs.manifestDue(store.db).find(({ state }) => state !== "running");
    if (due) throw new CofferError("STORE_UNUSABLE", `the manifest of run ${due.id} could not be written anew before it`);
    const lines = [...journalLines(path)];
    const anew = lines.filter(({ seq = 0, isWhole }) => isWhole && seq > before).map(({ text }) => text);
    // where the file was gone, all there is was just written
    if (anew.length === lines.length) return unreadable;
    const aside = setAside(store, path);
    replaceFile(path, anew.map((line) => `${line}\n`).join(""));
    return aside;
  });
}

function isOwn(path: string): boolean {
  if (journalRefusal(path) !== undefined) return false;
  try {
    for (const _ of journalLines(path)) continue;
    return true;
  } catch {
    return false;
  }
}

function moveAside(store: Store, path: string): string | undefined {
  const aside = setAside(store, path);
  if (aside === undefined) return undefined;
  rmSync(path, { recursive: true, force: true });
  syncDirectory(store.path("manifests"));
  return aside;
}
