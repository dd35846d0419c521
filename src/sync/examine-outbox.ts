import * as outbox from "../db/outbox.ts";
import { findingsOf } from "../domain/finding.ts";
import type { Finding } from "../domain/finding.ts";
import { countOf } from "../domain/quantity.ts";
import { trackingTarget } from "../domain/tracking-target.ts";
import type { Store } from "../store/store.ts";

const { ok, warn } = findingsOf("server");

/** What waits for the configured server, and what it said no to. */
export function examineOutbox(store: Store): Finding[] {
  const { uri } = store.settings.values.tracking.mlflow;
  if (uri === "") return [];
  const open = outbox.openDeliveries(store.db, trackingTarget(uri));
  if (open.length === 0) return [ok("waiting", "nothing waits to be delivered")];
  const refused = open.filter(({ state }) => state === "refused");
  const last = refused.at(-1)?.last_error;
  const words = `${countOf(open.length, "run")} ${open.length === 1 ? "waits" : "wait"} to be delivered${refused.length > 0 ? `, ${refused.length} of them refused by the server: ${last}` : ""}`;
  return [warn("waiting", words, "coffer sync-mlflow delivers them; coffer sync-mlflow --dry-run shows them")];
}
