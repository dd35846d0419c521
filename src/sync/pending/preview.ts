import * as metrics from "../../db/records/metrics.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow, OutboxRow, OutboxStep } from "../../db/delivery/outbox.ts";
import * as params from "../../db/records/params.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import * as tags from "../../db/records/tags.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import type { Store } from "../../store/store.ts";
import { enqueueMissing } from "./enqueue-missing.ts";
import { layOutEntries } from "../files/lay-out.ts";
import type { RunSelection } from "../sync.ts";
import { waitingRuns } from "./waiting-runs.ts";

export interface Preview {
  schema: "coffer.sync-plan/1";
  target: string;
  runs: RunPreview[];
}

interface RunPreview {
  run: string;
  experiment: string;
  remote_run: string | null;
  steps: OutboxStep[];
  params: number;
  tags: number;
  metrics: number;
  files: number;
  bytes: number;
  /** The files, as they are to be called on the server. */
  sends: { path: string; size: number }[];
  /** What MLflow would show differently, or not at all; what cannot be sent, and why. */
  notes: string[];
}

/** What `deliver` would send, as far as the database knows. No request, and nothing stays changed. */
export async function preview(
  store: Store,
  enqueue: (run: RunRow) => void,
  { only, skipArtifacts = false }: { only?: RunSelection | undefined; skipArtifacts?: boolean } = {},
): Promise<Preview> {
  const target = trackingTarget(store.settings.values.tracking.mlflow.uri);
  const waiting = peek(store, () => {
    enqueueMissing(store, enqueue, only);
    return waitingRuns({ store, target }, 0, only).map((delivery) => ({ delivery, entries: outbox.entries(store.db, delivery.seq) }));
  });
  const seen: Preview = { schema: "coffer.sync-plan/1", target, runs: [] };
  for (const { delivery, entries } of waiting)
    seen.runs.push(await look(store, delivery, skipArtifacts ? entries.filter(({ step }) => step !== "artifact") : entries));
  return seen;
}

async function look(store: Store, delivery: DeliveryRow, entries: readonly OutboxRow[]): Promise<RunPreview> {
  const { seq, id } = runs.bySeq(store.db, delivery.run) as RunRow;
  const { pieces, faults, notes } = await layOutEntries(store, entries, new Map());
  const open = entries.filter((entry) => entry.settled_at === null);
  const steps = new Set(open.map((entry) => entry.step));
  // two artifacts may hold one file: it is sent once
  const sends = new Map(
    pieces.filter(({ entry }) => entry.settled_at === null).flatMap(({ files }) => files.map(({ path, size }) => [path, size] as const)),
  );
  return {
    run: id,
    experiment: delivery.experiment,
    remote_run: delivery.remote_run,
    steps: [...steps],
    params: steps.has("params") ? Object.keys(params.ofRun(store.db, seq)).length : 0,
    tags: steps.has("tags") ? Object.keys(tags.of(store.db, "run", seq)).length : 0,
    metrics: steps.has("metrics") ? metrics.countAfter(store.db, seq, delivery.metrics_sent) : 0,
    files: sends.size,
    bytes: [...sends.values()].reduce((sum, size) => sum + size, 0),
    sends: [...sends].map(([path, size]) => ({ path, size })),
    notes: steps.has("artifact") ? [...notes.map(({ message }) => message), ...faults.map(({ error }) => error.message)] : [],
  };
}

/** What `work` returns, all of whose changes are undone. */
function peek<T>(store: Store, work: () => T): T {
  const undone = new Undone<T>();
  try {
    return store.transaction(() => {
      undone.seen = work();
      throw undone;
    });
  } catch (error) {
    if (error === undone) return undone.seen as T;
    throw error;
  }
}

class Undone<T> extends Error {
  seen: T | undefined;
}
