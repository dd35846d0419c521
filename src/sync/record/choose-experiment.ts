import { ServerRefusal } from "../../mlflow/http/refusal.ts";

/** Where runs go that nobody named an experiment for. */
const NOBODY_SAID = "Default";

/** Which experiment a run goes to: that with an id, or that of a name, whose id has to be `id` where both were asked for. */
export type ExperimentChoice = { by: "id"; id: string } | { by: "name"; id: string | undefined };

/**
 * `name`: the run's experiment, as configured. The variables are MLFLOW_EXPERIMENT_ID (`experimentIdOf`) and MLFLOW_EXPERIMENT_NAME: the id counts where nobody gave a name.
 * With both, MLflow's client goes by the name, and refuses to where the id is another one's.
 */
export function chooseExperiment(
  name: string,
  { experimentId, experimentName }: { experimentId: string | undefined; experimentName: string | undefined },
): ExperimentChoice {
  if (experimentId !== undefined && name === NOBODY_SAID) return { by: "id", id: experimentId };
  return { by: "name", id: experimentName === name ? experimentId : undefined };
}

/** The experiment of the name has another id than the one that was asked for. */
export function twoExperiments(name: string, asked: string, found: string): ServerRefusal {
  return new ServerRefusal(`MLFLOW_EXPERIMENT_ID is ${asked}, and “${name}” of MLFLOW_EXPERIMENT_NAME is ${found}`, {
    hint: "unset one of the two",
  });
}

export function noSuchExperiment(server: string, id: string): ServerRefusal {
  return new ServerRefusal(`${server} has no experiment ${id}`, {
    hint: "correct MLFLOW_EXPERIMENT_ID, or set MLFLOW_EXPERIMENT_NAME instead",
  });
}
