import { deleteModel, findModels } from "../mlflow/logged-models.ts";
import { deleteRun, findTwins } from "../mlflow/runs.ts";
import type { Layout } from "./lay-out.ts";
import { modelPieces, modelsOf } from "./send-models.ts";
import type { Delivering } from "./sync.ts";
import { tell } from "./tell.ts";

/**
 * A request that was given up may still be on its way, in the queue of a server that is overloaded or of a proxy: what it makes appears after we looked for it,
 * and made another. So where a run or a model was made although an earlier try may have arrived (`inDoubt`), the server is asked once more at the end, and those
 * of ours that nothing was told to are deleted.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function dropTwins(one: Delivering, layout: Layout, shared: boolean): Promise<void> {
  if (!one.inDoubt) return;
  const { connection } = one.sync;
  const experiment = one.delivery.remote_experiment as string;
  const kept = one.delivery.remote_run as string;
  const twins = await findTwins(connection, experiment, one.run.id, kept);
  for (const { id } of twins) await deleteRun(connection, id);
  const pieces = modelPieces(layout, shared);
  const models = pieces.length > 0 ? ((await findModels(connection, experiment, kept)) ?? []) : [];
  const spare = pieces.flatMap((piece) => {
    const alike = modelsOf(models, piece);
    return alike.some(({ isReady }) => isReady) ? alike.filter(({ isReady }) => !isReady) : [];
  });
  for (const { id } of spare) await deleteModel(connection, id);
  one.inDoubt = false;
  if (twins.length + spare.length === 0) return;
  tell(one, {
    kind: "skipped",
    message: `a request that had been given up arrived late, and made a second ${twins.length > 0 ? "run" : "model"}, which was empty and is deleted on the server`,
  });
}
