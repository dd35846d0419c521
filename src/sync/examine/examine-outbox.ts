import * as outbox from "../../db/delivery/outbox.ts";
import { waitingServers } from "../../db/delivery/waiting-servers.ts";
import { findingsOf } from "../../domain/finding.ts";
import type { Finding } from "../../domain/finding.ts";
import { countOf } from "../../domain/quantity.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import type { Store } from "../../store/store.ts";

const { ok, warn } = findingsOf("server");

/** What waits for the configured server, and what it said no to; and what waits for others. */
export function examineOutbox(store: Store): Finding[] {
  const { uri } = store.settings.values.tracking.mlflow;
  const target = trackingTarget(uri);
  const others = waitingServers(store.db).filter((server) => server.target !== target);
  return [
    ...(uri === "" ? [] : examineTarget(store, target)),
    ...others.map((server) =>
      warn(
        "waiting elsewhere",
        `${waitWords(server.runs)} to be delivered to ${server.target}, which is not the server that is configured`,
        `coffer sync-mlflow --uri ${server.target} delivers them; coffer sync-mlflow --forget ${server.target} gives them up`,
      ),
    ),
  ];
}

function waitWords(count: number): string {
  return `${countOf(count, "run")} ${count === 1 ? "waits" : "wait"}`;
}

function examineTarget(store: Store, target: string): Finding[] {
  const open = outbox.openDeliveries(store.db, target);
  if (open.length === 0) return [ok("waiting", "nothing waits to be delivered")];
  const refused = open.filter(({ state }) => state === "refused");
  const last = refused.at(-1)?.last_error;
  const words = `${waitWords(open.length)} to be delivered${refused.length > 0 ? `, ${refused.length} of them refused by the server: ${last}` : ""}`;
  return [warn("waiting", words, "coffer sync-mlflow delivers them; coffer sync-mlflow --dry-run shows them")];
}
