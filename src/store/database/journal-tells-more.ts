import { closeSync, openSync, readSync } from "node:fs";
import * as integrity from "../../db/open/integrity.ts";
import { errno } from "../../domain/error.ts";
import type { Store } from "../store.ts";

const CHUNK = 1 << 20;
const LOGGED = /^\{"seq":[0-9]+,"at":[0-9]+,"did":"log",/;
const AT_ONCE = 256;

/**
 * The id of a run to which something was logged, while it went on, that the database does not know: an older one took the place of that which did. undefined where
 * there is none. Lines that cannot be read tell nothing.
 */
export function journalTellsMore(store: Store): string | undefined {
  const asked = new Map<string, string>();
  const unknown = (): string | undefined => [...asked].find(([uid]) => integrity.lacksArtifact(store.db, [uid]))?.[1];
  for (const line of linesAt(store.path("manifests", "journal.jsonl"))) {
    if (!LOGGED.test(line)) continue;
    const { run, uids } = loggedIn(line);
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

/** One after the other, since the journal of a large store is large. None where there is no such file. */
function* linesAt(path: string): Generator<string> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if (errno(error) === "ENOENT") return;
    throw error;
  }
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const decoder = new TextDecoder();
    let begun = "";
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const lines = (begun + decoder.decode(buffer.subarray(0, read), { stream: true })).split("\n");
      begun = lines.pop() as string;
      yield* lines;
    }
    yield begun;
  } finally {
    closeSync(fd);
  }
}
