import type { Database } from "bun:sqlite";

export type OutboxStep = "run" | "params" | "tags" | "metrics" | "inputs" | "artifact" | "models" | "end";

export interface DeliveryRow {
  seq: number;
  run: number;
  target: string;
  experiment: string;
  state: "pending" | "synced" | "refused" | "forgotten";
  remote_experiment: string | null;
  remote_run: string | null;
  artifact_uri: string | null;
  metrics_sent: number;
  /** What the page of the run was last given as its note. */
  note_sent: string | null;
  /** 1: the command was told of the run on the server, so that its script may log there too. */
  attached: number;
  tries: number;
  /** Requests of this delivery that were sent again. */
  retried: number;
  /** Requests to make the run whose outcome is not known: each may still arrive, and make another. */
  late_runs: number;
  /** The same of its models. */
  late_models: number;
  last_error: string | null;
  updated_at: number;
  synced_at: number | null;
}

export interface OutboxRow {
  seq: number;
  delivery: number;
  step: OutboxStep;
  artifact: number | null;
  settled_at: number | null;
  tries: number;
  /** Tries that failed. */
  failures: number;
  error: string | null;
  /**
   * Of an artifact: put, clone, link, copy, there, or several of them; superseded where a newer one has its path; doubted where other bytes
   * were read back: what lies there is not to be trusted although its size agrees. Of the run: made or given. Of inputs and models: unsupported where the server
   * is too old for them.
   */
  how: string | null;
  bytes: number | null;
}

/** The delivery of a run to a server; made where there is none, pending again where there was one. Returns its seq. */
export function open(db: Database, delivery: { run: number; target: string; experiment: string; at: number }): number {
  const row = db
    .query<{ seq: number }, [number, string, string, number]>(
      `INSERT INTO deliveries (run, target, experiment, state, updated_at) VALUES (?, ?, ?, 'pending', ?)
       ON CONFLICT (run, target) DO UPDATE SET state = 'pending', updated_at = excluded.updated_at RETURNING seq`,
    )
    .get(delivery.run, delivery.target, delivery.experiment, delivery.at);
  return (row as { seq: number }).seq;
}

/** Something of this step is to be told (again). */
export function enqueue(db: Database, delivery: number, step: Exclude<OutboxStep, "artifact">): void {
  db.query("INSERT INTO outbox (delivery, step) VALUES (?, ?) ON CONFLICT DO UPDATE SET settled_at = NULL, error = NULL").run(
    delivery,
    step,
  );
}

/** An artifact is sent once; what was sent stays settled. */
export function enqueueArtifact(db: Database, delivery: number, artifact: number): void {
  db.query("INSERT INTO outbox (delivery, step, artifact) VALUES (?, 'artifact', ?) ON CONFLICT DO NOTHING").run(delivery, artifact);
}

export function entries(db: Database, delivery: number): OutboxRow[] {
  return db.query<OutboxRow, [number]>("SELECT * FROM outbox WHERE delivery = ? ORDER BY seq").all(delivery);
}

export function settle(db: Database, entry: number, at: number, sent: { how?: string; bytes?: number } = {}): void {
  db.query("UPDATE outbox SET settled_at = ?, tries = tries + 1, error = NULL, how = ?, bytes = ? WHERE seq = ?").run(
    at,
    sent.how ?? null,
    sent.bytes ?? null,
    entry,
  );
}

/** Opens a settled entry again, for instance because the server no longer has what was sent. `how`: `doubted`, or as it was. */
export function reopen(db: Database, entry: number, error: string, how?: "doubted"): void {
  db.query("UPDATE outbox SET settled_at = NULL, error = ?, how = ifnull(?, how) WHERE seq = ?").run(error, how ?? null, entry);
}

export function failed(db: Database, entry: number, error: string): void {
  db.query("UPDATE outbox SET tries = tries + 1, failures = failures + 1, error = ? WHERE seq = ?").run(error, entry);
}

/** An entry that became pointless before it was settled. */
export function remove(db: Database, entry: number): void {
  db.query("DELETE FROM outbox WHERE seq = ?").run(entry);
}

/** The server has nothing of this delivery any more: all of it is to be told again. */
export function reopenAll(db: Database, delivery: number, error: string): void {
  db.query("UPDATE outbox SET settled_at = NULL, error = ?2 WHERE delivery = ?1").run(delivery, error);
  updateDelivery(db, delivery, {
    state: "pending",
    remote_experiment: null,
    remote_run: null,
    artifact_uri: null,
    metrics_sent: 0,
    note_sent: null,
    synced_at: null,
  });
}

export function entryOf(db: Database, delivery: number, step: Exclude<OutboxStep, "artifact">): OutboxRow | null {
  return db.query<OutboxRow, [number, string]>("SELECT * FROM outbox WHERE delivery = ? AND step = ?").get(delivery, step);
}

export function isAnythingOpen(db: Database, delivery: number): boolean {
  return db.query("SELECT 1 FROM outbox WHERE delivery = ? AND settled_at IS NULL LIMIT 1").get(delivery) !== null;
}

export function bySeq(db: Database, delivery: number): DeliveryRow | null {
  return db.query<DeliveryRow, [number]>("SELECT * FROM deliveries WHERE seq = ?").get(delivery);
}

export function deliveryOf(db: Database, run: number, target: string): DeliveryRow | null {
  return db.query<DeliveryRow, [number, string]>("SELECT * FROM deliveries WHERE run = ? AND target = ?").get(run, target);
}

/** The open delivery of the oldest run behind `after` (a run's seq). */
export function nextOpen(db: Database, target: string, after: number): DeliveryRow | null {
  return db
    .query<DeliveryRow, [string, number]>(
      "SELECT * FROM deliveries WHERE target = ? AND run > ? AND state IN ('pending', 'refused') ORDER BY run LIMIT 1",
    )
    .get(target, after);
}

/** What the server has had, oldest run first. */
export function syncedDeliveries(db: Database, target: string): DeliveryRow[] {
  return db.query<DeliveryRow, [string]>("SELECT * FROM deliveries WHERE target = ? AND state = 'synced' ORDER BY run").all(target);
}

/** Deliveries to a server, of the runs inside a run, that the server has a run for. */
export function ofChildren(db: Database, run: number, target: string): DeliveryRow[] {
  return db
    .query<DeliveryRow, [number, string]>(
      "SELECT * FROM deliveries WHERE run IN (SELECT seq FROM runs WHERE parent = ?) AND target = ? AND remote_run IS NOT NULL",
    )
    .all(run, target);
}

/** What of a delivery's files is still to go. */
export function openFiles(db: Database, delivery: number): { files: number; bytes: number } {
  return db
    .query<{ files: number; bytes: number }, [number]>(
      `SELECT ifnull(sum(a.files), 0) AS files, ifnull(sum(a.size), 0) AS bytes FROM outbox o JOIN artifacts a ON a.seq = o.artifact
       WHERE o.delivery = ? AND o.settled_at IS NULL AND a.state = 'live'`,
    )
    .get(delivery) as { files: number; bytes: number };
}

export function countRetries(db: Database, delivery: number, times: number): void {
  db.query("UPDATE deliveries SET retried = retried + ? WHERE seq = ?").run(times, delivery);
}

/** One more request (1) whose outcome is not known, or so many fewer (-n). */
export function countLate(db: Database, delivery: number, what: "runs" | "models", change: number): void {
  db.query(`UPDATE deliveries SET late_${what} = max(0, late_${what} + ?) WHERE seq = ?`).run(change, delivery);
}

export function updateDelivery(db: Database, seq: number, change: Partial<Omit<DeliveryRow, "seq" | "run" | "target">>): void {
  const columns = Object.keys(change) as (keyof typeof change)[];
  db.query(`UPDATE deliveries SET ${columns.map((column) => `${column} = ?`).join(", ")} WHERE seq = ?`).run(
    ...columns.map((column) => change[column] as string | number | null),
    seq,
  );
}

/** seqs of the deliveries that a run's command was told of, and whose server was not told of an end yet. */
export function attachedTo(db: Database, run: number): number[] {
  return db
    .query<{ seq: number }, [number]>(
      `SELECT seq FROM deliveries WHERE run = ? AND attached = 1
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE delivery = deliveries.seq AND step = 'end')`,
    )
    .all(run)
    .map(({ seq }) => seq);
}

/** A delivery of which nothing is to be told, and nothing was: no artifact is part of it yet. */
export function removeDelivery(db: Database, seq: number): void {
  db.query("DELETE FROM outbox WHERE delivery = ?").run(seq);
  db.query("DELETE FROM deliveries WHERE seq = ?").run(seq);
}

export function deliveriesOf(db: Database, run: number): DeliveryRow[] {
  return db.query<DeliveryRow, [number]>("SELECT * FROM deliveries WHERE run = ? ORDER BY seq").all(run);
}

/** What is still to be delivered to a server, oldest run first. */
export function openDeliveries(db: Database, target: string): DeliveryRow[] {
  return db
    .query<DeliveryRow, [string]>("SELECT * FROM deliveries WHERE target = ? AND state IN ('pending', 'refused') ORDER BY run")
    .all(target);
}

/** seq of the run that is delivered as this MLflow run. */
export function runOfRemote(db: Database, remoteRun: string): number | undefined {
  return db.query<{ run: number }, [string]>("SELECT run FROM deliveries WHERE remote_run = ?").get(remoteRun)?.run;
}
