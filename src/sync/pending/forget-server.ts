import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { waitingServers } from "../../db/delivery/waiting-servers.ts";
import { CofferError } from "../../domain/error.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import { giveUpDelivery } from "../../store/give-up-delivery.ts";
import type { Store } from "../../store/store.ts";

export interface Forgotten {
  schema: "coffer.sync-forget/1";
  target: string;
  /** Oldest first. `artifacts`: those that it was not sent. `busy`: a process is sending just now, so it stays. */
  runs: { run: string; artifacts: number; state: "waiting" | "given up" | "busy" }[];
}

/**
 * Gives up all that waits for a server; what it has stays there. With `dryRun` it is only listed.
 * @throws CofferError NOT_FOUND, with the servers that something waits for
 */
export function forgetServer(store: Store, uri: string, { dryRun }: { dryRun: boolean }): Forgotten {
  const target = trackingTarget(uri);
  const open = outbox.openDeliveries(store.db, target);
  if (open.length === 0)
    throw new CofferError("NOT_FOUND", `nothing waits for ${target}`, {
      hint: "coffer stats --uploads lists all servers",
      candidates: waitingServers(store.db).map((server) => server.target),
    });
  const told = store.transaction(() =>
    open.map(({ seq, run }): Forgotten["runs"][number] => {
      const artifacts = outbox.entries(store.db, seq).filter(({ step, settled_at }) => step === "artifact" && settled_at === null).length;
      const outcome = dryRun ? "waiting" : giveUpDelivery(store, seq, "sync-mlflow --forget");
      return { run: (runs.bySeq(store.db, run) as RunRow).id, artifacts, state: outcome === "not open" ? "given up" : outcome };
    }),
  );
  return { schema: "coffer.sync-forget/1", target, runs: told };
}
