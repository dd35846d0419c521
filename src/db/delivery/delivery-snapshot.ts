import type { Database } from "bun:sqlite";
import * as journal from "../records/journal.ts";
import * as outbox from "./outbox.ts";
import type { DeliveryRow, OutboxRow } from "./outbox.ts";
import * as runs from "../records/runs.ts";

/** A delivery as another database can have it: artifacts by their uids, points by their number. */
export type DeliverySnapshot = Omit<DeliveryRow, "seq" | "run" | "metrics_sent"> & {
  /** How many of the run's points the server has. */
  points_sent: number;
  entries: SnapshotEntry[];
};

type SnapshotEntry = [
  step: OutboxRow["step"],
  artifact: string | null,
  settledAt: number | null,
  tries: number,
  failures: number,
  error: string | null,
  how: string | null,
  bytes: number | null,
];

function deliverySnapshot(db: Database, delivery: DeliveryRow): DeliverySnapshot {
  const { seq, run, metrics_sent, ...rest } = delivery;
  const points = db
    .query<{ count: number }, [number, number]>("SELECT count(*) AS count FROM metric_points WHERE run = ? AND seq <= ?")
    .get(run, metrics_sent) as { count: number };
  const entries = db
    .query(
      `SELECT o.step, a.uid, o.settled_at, o.tries, o.failures, o.error, o.how, o.bytes
       FROM outbox o LEFT JOIN artifacts a ON a.seq = o.artifact WHERE o.delivery = ? ORDER BY o.seq`,
    )
    .values(seq) as SnapshotEntry[];
  return { ...rest, points_sent: points.count, entries };
}

/** What the outbox has of a run, a snapshot for each server. */
export function deliverySnapshots(db: Database, run: number): DeliverySnapshot[] {
  return outbox.deliveriesOf(db, run).map((delivery) => deliverySnapshot(db, delivery));
}

/** The durable journal has it as it stands now. */
export function journalDelivery(db: Database, seq: number, at: number): void {
  const delivery = outbox.bySeq(db, seq);
  const run = delivery && runs.bySeq(db, delivery.run);
  if (run) journal.append(db, { at, did: "deliver", run: run.id, ...deliverySnapshot(db, delivery) });
}

/** Writes a delivery as it was; what was there of it goes. `seqOf`: an artifact of the run; an entry whose artifact nobody knows is left out. */
export function putDelivery(db: Database, run: number, snapshot: DeliverySnapshot, seqOf: (uid: string) => number | undefined): void {
  const { points_sent, entries, target, ...columns } = snapshot;
  const before = outbox.deliveryOf(db, run, target);
  if (before) outbox.removeDelivery(db, before.seq);
  const seq = outbox.open(db, { run, target, experiment: columns.experiment, at: columns.updated_at });
  const { last } = db
    .query("SELECT ifnull(max(seq), 0) AS last FROM (SELECT seq FROM metric_points WHERE run = ? ORDER BY seq LIMIT ?)")
    .get(run, points_sent) as { last: number };
  outbox.updateDelivery(db, seq, { ...columns, metrics_sent: last });
  const statement = db.query(
    "INSERT OR IGNORE INTO outbox (delivery, step, artifact, settled_at, tries, failures, error, how, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  );
  for (const [step, uid, ...values] of entries) {
    const artifact = uid === null ? null : seqOf(uid);
    if (artifact !== undefined && (step === "artifact") === (artifact !== null)) statement.run(seq, step, artifact, ...values);
  }
}
