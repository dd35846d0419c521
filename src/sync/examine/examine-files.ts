import { existsSync } from "node:fs";
import type { Settings } from "../../config/settings.ts";
import { CofferError } from "../../domain/error.ts";
import { findingsOf } from "../../domain/finding.ts";
import type { Finding } from "../../domain/finding.ts";
import { displayUrl } from "../../domain/secret.ts";
import type { Connection } from "../../mlflow/http/connection.ts";
import { skipsArtifacts } from "../../mlflow/http/environment.ts";
import type { Environment } from "../../mlflow/http/environment.ts";
import { findExperiment, getExperiment, MAX_EXPERIMENT_NAME } from "../../mlflow/tracking/experiments.ts";
import type { Experiment } from "../../mlflow/tracking/experiments.ts";
import { listDirectory } from "../../mlflow/artifacts/list-artifacts.ts";
import { cleanText } from "../../mlflow/tracking/log-values.ts";
import type { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { newestRun } from "../../mlflow/tracking/runs.ts";
import type { Store } from "../../store/store.ts";
import { chooseExperiment, noSuchExperiment, twoExperiments } from "../record/choose-experiment.ts";
import { chooseRoute, describeRoute } from "../files/choose-route.ts";
import type { RouteDescription } from "../files/choose-route.ts";
import { experimentIdOf } from "../record/experiment-id.ts";
import { RouteMemory } from "../files/route-memory.ts";

const { ok, warn, fail } = findingsOf("files");

/**
 * By which way files of the configured experiment would travel. Where they go stands in a run, so that one that is there already is asked about; none is made, nor an
 * experiment. `store`: where there is one that can be opened. A disk is proven with a marker that is taken away again.
 */
export async function examineFiles(
  settings: Settings,
  connection: Connection,
  env: Environment,
  store: Store | undefined,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    if (skipsArtifacts(env))
      findings.push(warn("held back", "MLFLOW_SKIP_ARTIFACT_LOGGING is set: files stay in the store", "unset it to have them delivered"));
    const { experiment, finding } = await findPlace(settings, connection, env, store);
    findings.push(finding);
    if (!experiment) return findings;
    const run = await newestRun(connection, experiment.id);
    if (!run) {
      const where = experiment.artifactLocation === undefined ? "" : `below ${displayUrl(experiment.artifactLocation)}; `;
      findings.push(ok("route", `${where}the way there shows with a run, and none is there yet`));
      return findings;
    }
    // what a server cannot list it cannot verify either
    await listDirectory(connection, run.id, undefined);
    const seeking = { store: { settings }, connection, routes: new RouteMemory(env) };
    const route = await describeRoute(seeking, await chooseRoute(seeking, run, false));
    findings.push(routeFinding(route, run.id), ...unseenDisk(settings, route));
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    findings.push(fail("route", error.message, error.hint));
  }
  return findings;
}

/** The experiment that a run would go to; undefined where that is made with the first one, or cannot be used. */
async function findPlace(
  settings: Settings,
  connection: Connection,
  env: Environment,
  store: Store | undefined,
): Promise<{ experiment: Experiment | undefined; finding: Finding }> {
  const given = settings.values.tracking.mlflow.experiment;
  const { where } = settings.origin("tracking.mlflow.experiment");
  const choice = chooseExperiment(given, { experimentId: experimentIdOf(store, env), experimentName: env["MLFLOW_EXPERIMENT_NAME"] });
  const name = cleanText(given, MAX_EXPERIMENT_NAME);
  const experiment = choice.by === "id" ? await getExperiment(connection, choice.id) : await findExperiment(connection, name);
  const refused = ({ message, hint }: ServerRefusal) => ({ experiment: undefined, finding: fail("experiment", message, hint) });
  if (experiment && choice.id !== undefined && experiment.id !== choice.id) return refused(twoExperiments(name, choice.id, experiment.id));
  if (!experiment && choice.by === "id") return refused(noSuchExperiment("the server", choice.id));
  if (!experiment) return { experiment, finding: ok("experiment", `“${name}” (${where}) is not there yet: the first delivery makes it`) };
  if (experiment.lifecycle === "deleted")
    return {
      experiment: undefined,
      finding: fail(
        "experiment",
        `“${experiment.name}” is deleted on the server`,
        "bring it back with coffer sync-mlflow --restore, or set another with MLFLOW_EXPERIMENT_NAME",
      ),
    };
  return { experiment, finding: ok("experiment", `“${experiment.name}” (${choice.by === "id" ? "MLFLOW_EXPERIMENT_ID" : where})`) };
}

function routeFinding({ place, ways }: RouteDescription, run: string): Finding {
  const open = ways.filter(({ shut }) => shut === null);
  const [best] = open.filter(({ way }) => way !== "parts");
  const closed = ways.filter(({ shut }) => shut !== null).map(({ words, shut }) => `${words}: not here (${shut})`);
  const seen = `${[...open.map(({ words }) => words), ...closed].join("; ")}. Seen of run ${run}, at ${place}`;
  if (!best) return fail("route", seen, "start the server with --artifacts-destination, so that it takes artifacts itself");
  if (best.way === "small")
    return warn("route", seen, "start the server with --artifacts-destination, or set the keys of its storage: larger files find no way");
  return ok("route", seen);
}

/** A directory that somebody named as the server's, and that is not. */
function unseenDisk(settings: Settings, { ways }: RouteDescription): Finding[] {
  const { source, where } = settings.origin("tracking.mlflow.artifact_root");
  const { mlflow } = settings.roots;
  if (source === "default" || !ways.some(({ way }) => way === "put")) return [];
  const why = existsSync(mlflow) ? "is not where the server keeps artifacts, or cannot be written to" : "does not exist";
  return [
    warn(
      "disk",
      `${mlflow} (${where}) ${why}: files go through the server`,
      "name the directory of the server's --artifacts-destination as it is seen from here, or leave it out",
    ),
  ];
}
