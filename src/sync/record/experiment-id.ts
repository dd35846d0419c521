import * as outbox from "../../db/delivery/outbox.ts";
import * as runs from "../../db/records/runs.ts";
import type { Environment } from "../../mlflow/http/environment.ts";
import type { Store } from "../../store/store.ts";

/** MLFLOW_EXPERIMENT_ID, unless an attached run around us was told it by coffer: then nobody asked for it here. An empty one is none. */
export function experimentIdOf(store: Store | undefined, env: Environment): string | undefined {
  const id = env["MLFLOW_EXPERIMENT_ID"];
  if (!id || !store) return id || undefined;
  const { db } = store;
  const around = env["COFFER_RUN_ID"];
  for (let run = around ? runs.byId(db, around) : null; run; run = run.parent === null ? null : runs.bySeq(db, run.parent))
    if (outbox.deliveriesOf(db, run.seq).some(({ attached, remote_experiment }) => attached === 1 && remote_experiment === id))
      return undefined;
  return id;
}
