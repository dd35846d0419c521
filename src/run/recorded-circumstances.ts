import type { RunRow } from "../db/records/runs.ts";
import type { OutputRules } from "../domain/left-out.ts";
import type { Store } from "../store/store.ts";
import { describeMachine, recordedEnvironment } from "./child/environment.ts";

/** What every run says of where and how it ran, as its row keeps it. `rules`: which files of its workspace are outputs, beside the configuration's own rules. */
export function recordedCircumstances(
  store: Store,
  env: Readonly<Record<string, string | undefined>>,
  rules: OutputRules = { ignore: [], outputs: [] },
): Pick<RunRow, "host" | "user" | "environment" | "configuration"> {
  const machine = describeMachine();
  const { workspace, artifact_store, tracking } = store.settings.values;
  return {
    host: machine.host,
    user: machine.user,
    environment: JSON.stringify({
      variables: recordedEnvironment(env),
      platform: machine.platform,
      cores: machine.cores,
      memory_bytes: machine.memoryBytes,
      gpus: machine.gpus,
    }),
    configuration: JSON.stringify({
      file: store.settings.file ?? null,
      workspace: {
        policy: workspace.policy,
        retain: workspace.retain,
        ignore: [...workspace.ignore, ...rules.ignore],
        hash_ahead: workspace.hash_ahead,
        output: rules.outputs,
      },
      artifact_store: { versioning_enabled: artifact_store.versioning_enabled },
      tracking: { experiment: tracking.mlflow.experiment, sync: tracking.mlflow.sync },
    }),
  };
}
