import type { Database } from "bun:sqlite";
import * as aliases from "../../db/records/aliases.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { putDelivery } from "../../db/delivery/delivery-snapshot.ts";
import * as events from "../../db/records/events.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import * as metadata from "../../db/open/metadata.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import * as pins from "../../db/records/pins.ts";
import * as runs from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { readableLines } from "../read/read-journal.ts";
import type { Journal, Line } from "../read/read-journal.ts";

/**
 * Does once more what the journal tells of, in its order. Marks that a manifest has as well (tags, states, deliveries) count from the line on that the manifest does
 * not know yet: `told`, by a run's seq. What names runs or artifacts that no manifest has is said in the result.
 */
export async function replayJournal(
  db: Database,
  path: string,
  told: ReadonlyMap<number, number>,
  deleted: Journal["deleted"],
): Promise<string[]> {
  const replay = new Replay(db, told, deleted);
  for await (const line of readableLines(path)) replay.line(line);
  return replay.notes;
}

class Replay {
  readonly notes: string[] = [];
  readonly #db: Database;
  readonly #told: ReadonlyMap<number, number>;
  readonly #deleted: Journal["deleted"];

  constructor(db: Database, told: ReadonlyMap<number, number>, deleted: Journal["deleted"]) {
    this.#db = db;
    this.#told = told;
    this.#deleted = deleted;
  }

  line(line: Line): void {
    const db = this.#db;
    if (line.did === "cache-limit") {
      if (line.value === null) metadata.remove(db, `cache.${line.name}`);
      else metadata.set(db, `cache.${line.name}`, String(line.value));
    } else if (line.did === "unalias") aliases.remove(db, line.name, line.alias);
    else if (line.did === "log" || line.did === "anew") return;
    else if (line.did === "deliver") this.#deliver(line);
    else if ("run" in line && line.run !== undefined) this.#run(line, line.run);
    else if ("artifact" in line && line.artifact !== undefined) this.#artifact(line, line.artifact);
  }

  #run(line: Exclude<Line, { did: "deliver" | "log" | "anew" }>, id: string): void {
    const db = this.#db;
    const run = runs.byId(db, id);
    if (!run) return void this.#unknown(line, `run ${id}`);
    if (this.#isTold(run.seq, line)) return;
    if (line.did === "tag") tags.set(db, "run", run.seq, [[line.key, line.value]]);
    else if (line.did === "untag") tags.remove(db, "run", run.seq, line.key);
    else if (line.did === "remove") runs.update(db, run.seq, { removed_at: line.at });
    else if (line.did === "restore") runs.restore(db, run.seq);
    else if (line.did === "undeliver") {
      const delivery = outbox.deliveryOf(db, run.seq, line.target);
      if (delivery) outbox.removeDelivery(db, delivery.seq);
    } else if (line.did === "event") events.recordOnce(db, { at: line.at, run: run.seq, kind: line.kind, message: line.message });
  }

  #artifact(line: Exclude<Line, { did: "deliver" | "unalias" | "cache-limit" | "log" | "anew" }>, uid: string): void {
    const db = this.#db;
    const artifact = imported.byUid(db, uid);
    if (!artifact) {
      if (!this.#deleted.has(uid)) this.#unknown(line, `artifact ${uid}`);
      return;
    }
    // a tombstone has neither
    const isGone = artifact.state === "deleted";
    if (line.did === "alias") {
      // it went with what it was moved to
      if (isGone) aliases.remove(db, line.name, line.alias);
      else aliases.set(db, line.name, line.alias, artifact.seq, line.at);
    } else if (line.did === "pin") {
      if (!isGone) pins.set(db, artifact.seq, line.note, line.at);
    } else if (line.did === "unpin") pins.remove(db, artifact.seq);
    else if (!this.#isTold(artifact.run, line)) this.#change(line, artifact);
  }

  #change(line: Line, { seq: artifact, run, state }: ArtifactRow): void {
    const db = this.#db;
    if (line.did === "tag") tags.set(db, "artifact", artifact, [[line.key, line.value]]);
    else if (line.did === "untag") tags.remove(db, "artifact", artifact, line.key);
    else if (line.did === "delete") {
      if (line.message !== undefined) events.recordOnce(db, { at: line.at, run, artifact, kind: "deleted", message: line.message });
    } else if (state !== "deleted") {
      const now = line.did === "remove" ? "removed" : line.did === "withdraw" ? "withdrawn" : "live";
      artifacts.setState(db, artifact, now, line.at);
    }
  }

  #deliver({ seq: _seq, at: _at, did: _did, run: id, ...delivery }: Extract<Line, { did: "deliver" }>): void {
    const run = runs.byId(this.#db, id);
    if (!run) return void this.#unknown({ seq: _seq }, `run ${id}`);
    if (this.#isTold(run.seq, { seq: _seq })) return;
    putDelivery(this.#db, run.seq, delivery, (uid) => imported.byUid(this.#db, uid)?.seq);
  }

  #isTold(run: number, line: { seq: number }): boolean {
    return line.seq <= (this.#told.get(run) ?? 0);
  }

  #unknown({ seq: number }: { seq: number }, what: string): void {
    this.notes.push(`journal line ${number} is about ${what}, which no manifest has`);
  }
}
