import { activeAgain, getExperiment } from "../../mlflow/tracking/experiments.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { getRun, restoreRun } from "../../mlflow/tracking/runs.ts";
import type { RemoteRun } from "../../mlflow/tracking/runs.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";

/**
 * A run that is deleted on the server, alone or with its experiment, is brought back if that was asked for (`restore`). It is never made a second time.
 * @throws CofferError SERVER_REFUSED where nobody asked for it; SERVER_UNREACHABLE
 */
export async function revive(one: Delivering, remote: RemoteRun): Promise<RemoteRun> {
  if (remote.lifecycle === "active") return remote;
  const { connection, restore } = one.sync;
  const experiment = await getExperiment(connection, remote.experimentId);
  const gone = experiment?.lifecycle === "deleted" ? experiment : undefined;
  if (!restore)
    throw new ServerRefusal(`MLflow's run ${remote.id} is deleted on the server${gone ? `, with its experiment “${gone.name}”` : ""}`, {
      hint: `bring it back with coffer sync-mlflow --restore, or leave it; coffer makes no second one`,
    });
  if (gone) {
    await activeAgain(connection, gone, true);
    tellExperimentRestored(one, gone.name);
  }
  if (!gone || (await getRun(connection, remote.id)).lifecycle === "deleted") await restoreRun(connection, remote.id);
  tell(one, { kind: "restored", message: `MLflow's run ${remote.id} was deleted on the server, and is brought back` });
  return getRun(connection, remote.id);
}

export function tellExperimentRestored(one: Delivering, name: string): void {
  tell(one, {
    kind: "restored",
    message: `the experiment “${name}” was deleted on the server, and is brought back; MLflow brings back every run of it`,
  });
}
