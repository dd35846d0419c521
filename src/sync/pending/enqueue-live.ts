import * as metrics from "../../db/records/metrics.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { unheardLogged } from "../../db/delivery/untold.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import type { Store } from "../../store/store.ts";
import { saysOf } from "../record/says.ts";
import type { Says } from "../record/says.ts";
import type { RunSelection } from "../sync.ts";

/** Params and tags of each run that goes on, by its seq, as they were enqueued last. */
export type Heard = Map<number, Says>;

/**
 * Puts into the outbox what runs that go on have come to say since the last look: params, tags, metric points, and what was logged to them explicitly.
 * Returns how many selected runs go on.
 */
export function enqueueLive(store: Store, heard: Heard, options: { only: RunSelection | undefined; skipArtifacts: boolean }): number {
  const live = runs.list(store.db, { state: "running" }).filter((run) => run.kind !== "import" && (options.only?.has(run.seq) ?? true));
  for (const run of live) {
    const says = saysOf(store, run.seq);
    enqueueNews(store, run, heard.get(run.seq), says, options.skipArtifacts);
    heard.set(run.seq, says);
  }
  const going = new Set(live.map(({ seq }) => seq));
  for (const seq of heard.keys()) if (!going.has(seq)) heard.delete(seq);
  return live.length;
}

/** What is heard of for the first time is told whole: nobody knows what the watch before this one had told. */
function enqueueNews(store: Store, run: RunRow, last: Says | undefined, says: Says, skipArtifacts: boolean): void {
  const { uri, experiment } = store.settings.values.tracking.mlflow;
  const target = trackingTarget(uri);
  const known = outbox.deliveryOf(store.db, run.seq, target);
  const steps = [
    ...(last ? [] : (["run"] as const)),
    ...(last?.params === says.params ? [] : (["params"] as const)),
    ...(last?.tags === says.tags ? [] : (["tags"] as const)),
    ...(metrics.last(store.db, run.seq) > (known?.metrics_sent ?? 0) ? (["metrics"] as const) : []),
  ];
  const logged = known && !skipArtifacts ? unheardLogged(store.db, run.seq, known.seq) : [];
  if (steps.length + logged.length === 0) return;
  store.transaction(() => {
    // the wrapper may have ended it since: then it has enqueued all of it
    if (runs.bySeq(store.db, run.seq)?.state !== "running") return;
    const delivery = known?.seq ?? outbox.open(store.db, { run: run.seq, target, experiment, at: store.now() });
    for (const step of steps) outbox.enqueue(store.db, delivery, step);
    if (!skipArtifacts)
      for (const artifact of unheardLogged(store.db, run.seq, delivery)) outbox.enqueueArtifact(store.db, delivery, artifact);
    outbox.updateDelivery(store.db, delivery, { state: "pending" });
  });
}
