import { CofferError } from "../../domain/error.ts";

/** The variables of a process, as they were given. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A setting of MLflow's: a number from 0; an empty variable is none. */
export function readNumber(env: Environment, name: string, otherwise: number): number {
  const text = env[name]?.trim();
  if (!text) return otherwise;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new CofferError("CONFIG_INVALID", `${name} is “${text}”`, { hint: "give a number from 0" });
  return value;
}

/** MLFLOW_SKIP_ARTIFACT_LOGGING: no request about files is to be made. */
export function skipsArtifacts(env: Environment): boolean {
  return readSwitch(env, "MLFLOW_SKIP_ARTIFACT_LOGGING", false);
}

/** A switch of MLflow's: true, false, 1 or 0 in any case; an empty variable is none. */
export function readSwitch(env: Environment, name: string, otherwise: boolean): boolean {
  const text = env[name]?.trim().toLowerCase();
  if (!text) return otherwise;
  if (!["true", "false", "1", "0"].includes(text))
    throw new CofferError("CONFIG_INVALID", `${name} is “${text}”`, { hint: "give true, false, 1 or 0" });
  return text === "true" || text === "1";
}
