import * as artifacts from "../db/artifacts.ts";
import * as outbox from "../db/outbox.ts";
import type { OutboxStep } from "../db/outbox.ts";
import * as params from "../db/params.ts";
import * as runs from "../db/runs.ts";
import type { RunRow } from "../db/runs.ts";
import * as metrics from "../db/metrics.ts";
import * as tags from "../db/tags.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";
import { enqueueMissing } from "./enqueue-missing.ts";

export interface Preview {
  schema: "coffer.sync-plan/1";
  target: string;
  runs: {
    run: string;
    experiment: string;
    remote_run: string | null;
    steps: OutboxStep[];
    params: number;
    tags: number;
    metrics: number;
    files: number;
    bytes: number;
  }[];
}

/** What `deliver` would send, as far as the database knows. No request, and nothing stays changed. `only`: seqs of runs. */
export function preview(store: Store, enqueue: (run: RunRow) => void, only?: ReadonlySet<number>): Preview {
  try {
    return store.transaction(() => {
      enqueueMissing(store, enqueue, only);
      throw new Undo(look(store, only));
    });
  } catch (error) {
    if (error instanceof Undo) return error.seen;
    throw error;
  }
}

/** Ends the transaction in which the missing runs were enqueued to be counted. */
class Undo extends Error {
  readonly seen: Preview;

  constructor(seen: Preview) {
    super("undone");
    this.seen = seen;
  }
}

function look(store: Store, only: ReadonlySet<number> | undefined): Preview {
  const target = trackingTarget(store.settings.values.tracking.mlflow.uri);
  const seen: Preview = { schema: "coffer.sync-plan/1", target, runs: [] };
  for (const delivery of outbox.openDeliveries(store.db, target)) {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    if (!(only?.has(run.seq) ?? true) || run.removed_at !== null || run.state === "running") continue;
    const open = outbox.entries(store.db, delivery.seq).filter((entry) => entry.settled_at === null);
    const steps = [...new Set(open.map((entry) => entry.step))];
    const sending = open
      .flatMap((entry) => (entry.artifact === null ? [] : [artifacts.bySeq(store.db, entry.artifact)]))
      .filter((artifact) => artifact?.state === "live");
    seen.runs.push({
      run: run.id,
      experiment: delivery.experiment,
      remote_run: delivery.remote_run,
      steps,
      params: steps.includes("params") ? Object.keys(params.ofRun(store.db, run.seq)).length : 0,
      tags: steps.includes("tags") ? Object.keys(tags.of(store.db, "run", run.seq)).length : 0,
      metrics: steps.includes("metrics") ? metrics.countAfter(store.db, run.seq, delivery.metrics_sent) : 0,
      files: sending.reduce((sum, artifact) => sum + (artifact?.files ?? 0), 0),
      bytes: sending.reduce((sum, artifact) => sum + (artifact?.size ?? 0), 0),
    });
  }
  return seen;
}
