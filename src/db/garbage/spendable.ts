import type { Database } from "bun:sqlite";
import { dies } from "../bytes/find-dead.ts";
import type { Garbage } from "./condemn.ts";
import { protectedRows } from "./protection.ts";
import type { Keeper } from "./protection.ts";
import { eachName, STATE } from "./read-artifacts.ts";
import type { Artifacts } from "./read-artifacts.ts";
import type { Lineage } from "./read-lineage.ts";

/**
 * Finds what stays even where room is wanted: the newest of each name, what is protected, what is out of sight and can still be restored; and what these
 * were made from. By the seqs of artifacts, 1 for each.
 */
export function rooted(
  db: Database,
  garbage: Garbage,
  artifacts: Artifacts,
  { first, list }: Lineage,
  except: ReadonlySet<Keeper>,
): Uint8Array {
  const { states } = artifacts;
  const isRooted = new Uint8Array(states.length);
  const found = new Uint32Array(states.length);
  let count = 0;
  const add = (seq: number): void => {
    if (isRooted[seq] === 1) return;
    isRooted[seq] = 1;
    found[count++] = seq;
  };
  eachName(db, artifacts, (versions, all) => add(versions[all - 1] as number));
  for (const rows of protectedRows(except))
    for (const { artifact } of db.query<{ artifact: number }, []>(`SELECT artifact FROM (${rows})`).iterate()) add(artifact);
  for (let seq = 0; seq < states.length; seq++) if (states[seq] === STATE.outOfSight && garbage.rules[seq] === 0) add(seq);
  // grows while it is read
  for (let nth = 0; nth < count; nth++) {
    const artifact = found[nth] as number;
    for (let at = first[artifact] as number; at < (first[artifact + 1] as number); at++) add(list[at] as number);
  }
  return isRooted;
}

/** When each blob was last used, where that was written down. */
export function lastUses(db: Database): Iterable<{ blob: number; last_used: number }> {
  return db.query<{ blob: number; last_used: number }, []>("SELECT blob, last_used FROM blob_uses").iterate();
}

/** Adds one artifact to the garbage and returns the bytes that die with it. */
export function addGarbage(db: Database, artifact: number): number {
  db.query("INSERT OR IGNORE INTO temp.gc_garbage (seq, rule, detail) VALUES (?, 'size', 0)").run(artifact);
  const blob = db.query<{ blob: number }, [number]>("SELECT blob FROM artifacts WHERE seq = ?").get(artifact)?.blob;
  return blob === undefined ? 0 : bury(db, blob);
}

function bury(db: Database, blob: number): number {
  const dying = db
    .query<{ size: number }, [number]>(
      `SELECT iif(place = 'foreign', 0, size) AS size FROM blobs b WHERE b.seq = ? AND b.seq NOT IN (SELECT seq FROM temp.gc_dead) AND ${dies("b.seq")}`,
    )
    .get(blob);
  if (!dying) return 0;
  db.query("INSERT INTO temp.gc_dead (seq) VALUES (?)").run(blob);
  const members = db.query<{ member: number }, [number]>("SELECT member FROM tree_members WHERE tree = ?").all(blob);
  return dying.size + members.reduce((sum, { member }) => sum + bury(db, member), 0);
}
