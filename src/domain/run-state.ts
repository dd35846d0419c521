/** How a run stands. `killed`: ended by a signal, or its wrapper died and it was adopted. */
export type RunState = "running" | "finished" | "failed" | "killed";

/** MLflow's word for each end state. */
export function mlflowStatus(state: RunState): "RUNNING" | "FINISHED" | "FAILED" | "KILLED" {
  return state.toUpperCase() as "RUNNING" | "FINISHED" | "FAILED" | "KILLED";
}
