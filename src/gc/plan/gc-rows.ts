import type { Database } from "bun:sqlite";
import { writeDead, writeDeadAmong } from "../../db/bytes/find-dead.ts";
import { noGarbage, writeGarbage } from "../../db/garbage/condemn.ts";
import type { Garbage } from "../../db/garbage/condemn.ts";
import { readArtifacts } from "../../db/garbage/read-artifacts.ts";
import type { Artifacts } from "../../db/garbage/read-artifacts.ts";
import { readBlobs } from "../../db/garbage/read-blobs.ts";
import type { Blobs } from "../../db/garbage/read-blobs.ts";
import { noneKept } from "../../db/garbage/spare.ts";
import type { KeptSet } from "../../db/garbage/spare.ts";
import type { Store } from "../../store/store.ts";
import type { GcScope } from "./gc-plan.ts";
import type { GcRules } from "./rules.ts";
import type { Writer } from "./sets.ts";

/** All that a plan judges by, and what it found: in columns by seqs. Tables have of it what somebody reads there. */
export interface GcRows {
  artifacts: Artifacts;
  blobs: Blobs;
  garbage: Garbage;
  kept: KeptSet;
}

/** Reads what these rules ask for, with no garbage yet. After `openTables`. */
export function readRows({ db, now }: Store, { maxAge, maxSize }: GcRules, { part }: GcScope): GcRows {
  const before = part === "all" && maxAge !== null ? now() - maxAge : null;
  const artifacts = readArtifacts(db, { before, times: maxSize !== null });
  return { artifacts, blobs: readBlobs(db, artifacts), garbage: noGarbage(artifacts), kept: noneKept(artifacts) };
}

/** Puts all that goes into the tables of the connection, beside what is there already. The columns are as they were. */
export function writeRows(db: Database, { garbage, blobs }: GcRows): void {
  writeGarbage(db, garbage, null, Infinity);
  writeDead(db, blobs);
}

/**
 * What puts into the tables what is read from there: the first of a rule (null: of all of them), at most `most` (Infinity: all that goes, whatever the rule). Once all of it is
 * there the columns are let go, and each later call does nothing: a sweep needs the memory, and takes rows out of the tables that must not come back. What is read from there after
 * a sweep is what it left.
 */
export function writer(db: Database, rows: GcRows): Writer {
  let unwritten: GcRows | undefined = rows;
  return (rule, most) => {
    if (unwritten === undefined) return;
    const { artifacts, blobs, garbage } = unwritten;
    if (most === Infinity) {
      writeRows(db, unwritten);
      unwritten = undefined;
      // their columns are large, and the engine does not see that
      Bun.gc(true);
      return;
    }
    const seqs = writeGarbage(db, garbage, rule, most);
    writeDeadAmong(
      db,
      blobs,
      seqs.map((seq) => artifacts.blobs[seq] as number),
    );
  };
}
