import * as outbox from "../../db/delivery/outbox.ts";
import type { DeliveryRow } from "../../db/delivery/outbox.ts";
import { deleteModel, findModels } from "../../mlflow/tracking/logged-models.ts";
import { deleteRun, findTwins } from "../../mlflow/tracking/runs.ts";
import type { Layout } from "../files/lay-out.ts";
import { modelPieces, modelsOf } from "./send-models.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";

/**
 * A request that was given up may still be on its way, in the queue of an overloaded server or of a proxy: what it makes appears after we looked for it, and made
 * another. How many such requests there are is in the database (`late_runs`, `late_models`), whoever sent them: a sync that was killed, `--watch`, `--attach`. While there
 * are any, the server is asked once more before the run counts as whole, and those of ours that nothing was told to are deleted. What did not come yet is looked
 * for again at the next occasion.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function dropTwins(one: Delivering, layout: Layout, alongside: boolean): Promise<void> {
  const { late_runs, late_models } = outbox.bySeq(one.sync.store.db, one.delivery.seq) as DeliveryRow;
  if (late_runs > 0) await dropRuns(one);
  if (late_models > 0) await dropModels(one, layout, alongside);
}

async function dropRuns(one: Delivering): Promise<void> {
  const { connection } = one.sync;
  const { id, started_at } = one.run;
  const kept = one.delivery.remote_run as string;
  const ours = { cofferRunId: id, startTime: started_at, kept };
  for (const twin of await findTwins(connection, one.delivery.remote_experiment as string, ours)) {
    await deleteRun(connection, twin.id);
    arrived(one, "runs");
  }
}

async function dropModels(one: Delivering, layout: Layout, alongside: boolean): Promise<void> {
  const { connection } = one.sync;
  const pieces = modelPieces(layout, alongside);
  if (pieces.length === 0) return;
  const models = (await findModels(connection, one.delivery.remote_experiment as string, one.delivery.remote_run as string)) ?? [];
  for (const piece of pieces) {
    const alike = modelsOf(models, piece);
    if (!alike.some(({ isReady }) => isReady)) continue;
    for (const { id } of alike.filter(({ isReady }) => !isReady)) {
      await deleteModel(connection, id);
      arrived(one, "models");
    }
  }
}

/** One of those requests, and what it had made is gone. */
function arrived(one: Delivering, what: "runs" | "models"): void {
  const { store } = one.sync;
  store.transaction(() => outbox.countLate(store.db, one.delivery.seq, what, -1));
  tell(one, {
    kind: "skipped",
    message: `a request that had been given up arrived late, and made a second ${what === "runs" ? "run" : "model"}, which was empty and is deleted on the server`,
  });
}
