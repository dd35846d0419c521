import * as integrity from "../../db/check/integrity.ts";
import type { Store } from "../store.ts";
import { journalLines } from "./journal-lines.ts";

const LOGGED = /^\{"seq":[0-9]+,"at":[0-9]+,"did":"log",/;
const AT_ONCE = 256;

/**
 * The id of a run to which something was logged, while it went on, that the database does not know: an older one took the place of that which did. undefined where
 * there is none. Lines that cannot be read tell nothing.
 * @throws CofferError UNREADABLE where the journal is no file
 */
export function journalKnowsMore(store: Store): string | undefined {
  const asked = new Map<string, string>();
  const unknown = (): string | undefined => [...asked].find(([uid]) => integrity.lacksArtifact(store.db, [uid]))?.[1];
  for (const { text } of journalLines(store.path("manifests", "journal.jsonl"))) {
    if (!LOGGED.test(text)) continue;
    const { run, uids } = loggedIn(text);
    for (const uid of uids) asked.set(uid, run);
    if (asked.size < AT_ONCE) continue;
    if (integrity.lacksArtifact(store.db, [...asked.keys()])) return unknown();
    asked.clear();
  }
  return integrity.lacksArtifact(store.db, [...asked.keys()]) ? unknown() : undefined;
}

function loggedIn(line: string): { run: string; uids: string[] } {
  try {
    const { run, artifacts } = JSON.parse(line) as { run?: unknown; artifacts?: { uid?: unknown }[] };
    return { run: String(run), uids: (artifacts ?? []).flatMap(({ uid }) => (typeof uid === "string" ? [uid] : [])) };
  } catch {
    return { run: "", uids: [] };
  }
}
