import * as metrics from "../../db/records/metrics.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow } from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import type { RunSelection, Sync } from "../sync.ts";
import type { Progress } from "../tally.ts";

/** Ended runs behind `after` (a run's seq) that wait for this server, the oldest first. */
export function waitingRuns(
  { store, target }: Pick<Sync, "store" | "target">,
  after: number,
  only: RunSelection | undefined,
): DeliveryRow[] {
  return outbox.openDeliveries(store.db, target).filter((delivery) => {
    const run = runs.bySeq(store.db, delivery.run) as RunRow;
    return delivery.run > after && (only?.has(delivery.run) ?? true) && run.removed_at === null && run.state !== "running";
  });
}

/** What is to go of those runs that come after one (by its seq); asked in their order. */
export function workBehind({ store }: Sync, waiting: readonly DeliveryRow[]): (run: number) => Progress["later"] {
  const ahead = waiting.map(({ seq, run, metrics_sent }) => ({
    run,
    points: metrics.countAfter(store.db, run, metrics_sent),
    ...outbox.openFiles(store.db, seq),
  }));
  const sum = { points: 0, files: 0, bytes: 0 };
  for (const { points, files, bytes } of ahead) {
    sum.points += points;
    sum.files += files;
    sum.bytes += bytes;
  }
  let next = 0;
  return (run) => {
    for (let one = ahead[next]; one && one.run <= run; one = ahead[++next]) {
      sum.points -= one.points;
      sum.files -= one.files;
      sum.bytes -= one.bytes;
    }
    return { ...sum };
  };
}
