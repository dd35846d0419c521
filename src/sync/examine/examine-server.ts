import type { Settings } from "../../config/settings.ts";
import { CofferError } from "../../domain/error.ts";
import { findingsOf } from "../../domain/finding.ts";
import type { Finding } from "../../domain/finding.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { asNobody, connect } from "../../mlflow/http/connection.ts";
import type { Connection } from "../../mlflow/http/connection.ts";
import type { Environment } from "../../mlflow/http/environment.ts";
import { findModels } from "../../mlflow/tracking/logged-models.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import { askServer, readCapabilities, readVersion } from "../../mlflow/tracking/server-info.ts";

const { ok, warn, fail } = findingsOf("server");

export interface ServerExamined {
  findings: Finding[];
  /** undefined where nothing that follows can be asked. */
  connection: Connection | undefined;
}

/** A doctor's patience, in milliseconds: no call is repeated. */
const PATIENCE = 5_000;

/** What a password may cost a call, in milliseconds, before it is worth a word. */
const SLOW_LOGIN = 60;

/**
 * Asks the configured server what any delivery would ask it, from the address to what it can do, and stops where the rest would only fail too. Changes nothing
 * there. Never throws for what the server does or is configured to be.
 */
export async function examineServer(settings: Settings, env: Environment, signal: AbortSignal): Promise<ServerExamined> {
  const findings: Finding[] = [];
  const end = (finding: Finding): ServerExamined => ({ findings: [...findings, finding], connection: undefined });
  const { uri } = settings.values.tracking.mlflow;
  if (uri === "")
    return end(
      warn(
        "address",
        "no MLflow server is configured: nothing is delivered",
        "set MLFLOW_TRACKING_URI, or tracking.mlflow.uri in coffer.yaml",
      ),
    );
  let connection: Connection;
  try {
    const made = connect({ uri, env, signal });
    connection = { ...made, retry: { ...made.retry, times: 0 }, timeout: Math.min(made.timeout, PATIENCE) };
  } catch (error) {
    return end(failed("address", error));
  }
  const { where } = settings.origin("tracking.mlflow.uri");
  findings.push(ok("address", `${connection.displayUri} (${where})`), ...examineWay(connection));
  const isSafe = connection.displayUri.startsWith("https:");
  try {
    const version = await readVersion(connection);
    if (isSafe) findings.push(examineCertificate(connection, env));
    if (version !== undefined) findings.push(ok("reachable", `MLflow ${version} answers`));
  } catch (error) {
    if (!(error instanceof ServerRefusal)) return end(failed("reachable", error));
    // no answer at all: a certificate that is not trusted, or what is no TLS
    if (error.status === 0) return end(failed(isSafe ? "encryption" : "reachable", error));
    // a server that keeps even this to itself is asked for something real
    if (isSafe) findings.push(examineCertificate(connection, env));
  }
  let experiment: string | undefined;
  try {
    experiment = await askServer(connection);
  } catch (error) {
    return end(await refused(connection, error));
  }
  findings.push(await examineLogin(connection));
  try {
    findings.push(await examineAbilities(connection, experiment));
  } catch (error) {
    findings.push(failed("abilities", error));
  }
  return { findings, connection };
}

/** What lies between the server and us, as far as it is configured. */
function examineWay(connection: Connection): Finding[] {
  const findings: Finding[] = [];
  const { protocol, hostname } = new URL(connection.displayUri);
  const proxy = connection.proxyTo(connection.displayUri);
  if (proxy) findings.push(ok("proxy", `requests go through ${proxy.name}; NO_PROXY would name hosts that are reached without`));
  const isNear = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  if (protocol === "http:" && connection.who !== undefined && !isNear)
    findings.push(warn("encryption", "what proves who we are goes over the network as it is", "use an https address"));
  return findings;
}

/** The server answered by TLS. */
function examineCertificate(connection: Connection, env: Environment): Finding {
  if (connection.tls?.().rejectUnauthorized === false)
    return warn(
      "encryption",
      "the server's certificate is not checked (MLFLOW_TRACKING_INSECURE_TLS)",
      "name its authority with MLFLOW_TRACKING_SERVER_CERT_PATH instead",
    );
  const authority = env["MLFLOW_TRACKING_SERVER_CERT_PATH"] || env["REQUESTS_CA_BUNDLE"] || env["CURL_CA_BUNDLE"];
  const shown = env["MLFLOW_TRACKING_CLIENT_CERT_PATH"];
  const by = authority ? `the authority in ${authority}` : "an authority that the system trusts";
  return ok("encryption", `the server's certificate is good for ${by}${shown ? `; ours is ${shown}` : ""}`);
}

/** The first real call was refused: by which of the things that stand before MLflow, or in it? */
async function refused(connection: Connection, error: unknown): Promise<Finding> {
  if (!(error instanceof ServerRefusal)) return failed("reachable", error);
  const { status, errorCode, message } = error;
  // the words only choose which line says it
  if (status === 403 && message.includes("Invalid Host header")) return failed("host name", error);
  if (status === 401) {
    const who =
      connection.who === undefined
        ? "the server wants to know who we are, and nothing here says so"
        : `the server does not accept ${connection.who}`;
    return fail("login", `${who} (${message})`, error.hint);
  }
  if (status === 403) return failed("permission", error);
  if (status === 404 && errorCode === undefined) {
    const right = await findPrefix(connection);
    return right === undefined
      ? failed("path", error)
      : fail("path", message, `MLflow answers at ${right}: set MLFLOW_TRACKING_URI to that`);
  }
  return failed("answers", error);
}

/** A shorter path at which MLflow answers. */
async function findPrefix(connection: Connection): Promise<string | undefined> {
  const url = new URL(connection.displayUri);
  const parts = url.pathname.split("/").filter((part) => part !== "");
  while (parts.pop() !== undefined) {
    url.pathname = parts.join("/");
    const displayUri = url.href.replace(/\/+$/, "");
    try {
      await askServer({ ...connection, displayUri });
      return displayUri;
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
    }
  }
  return undefined;
}

/** Whether the server wants to know who we are, and what the answer costs each call: more than saying no to somebody who has none. */
async function examineLogin(connection: Connection): Promise<Finding> {
  const { who } = connection;
  if (who === undefined) return ok("login", "the server asks nobody who they are");
  const nobody = asNobody(connection);
  try {
    await askServer(nobody);
    return ok("login", `the server asks nobody who they are; it is told ${who} all the same`);
  } catch (error) {
    if (!(error instanceof ServerRefusal)) return failed("login", error);
  }
  const cost = (await timeOf(() => askServer(connection))) - (await timeOf(() => askServer(nobody)));
  if (who.startsWith("user") && cost > SLOW_LOGIN)
    return warn(
      "login",
      `the server accepts ${who}, and takes ${formatDuration(Math.round(cost))} a call to do so`,
      "let the server remember it for a while: auth_cache_ttl_seconds in its basic_auth.ini",
    );
  return ok("login", `the server accepts ${who}`);
}

/** Milliseconds; the shortest of some, since a worker that was idle is slow at first. */
async function timeOf(ask: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let nth = 0; nth < 3; nth++) {
    const began = performance.now();
    await ask().catch((error: unknown) => {
      if (!(error instanceof ServerRefusal)) throw error;
    });
    times.push(performance.now() - began);
  }
  return Math.min(...times);
}

async function examineAbilities(connection: Connection, experiment: string | undefined): Promise<Finding> {
  const { multipartUploads, presignedUploads, workspaces } = await readCapabilities(connection);
  const models = experiment === undefined ? undefined : await findModels(connection, experiment, "0".repeat(32));
  const abilities: [string, boolean][] = [
    ["logged models", models !== undefined],
    ["uploads in parts", multipartUploads],
    ["signed addresses", presignedUploads],
    ["workspaces", workspaces],
  ];
  const listed = (has: boolean): string =>
    abilities
      .filter(([, is]) => is === has)
      .map(([name]) => name)
      .join(", ") || "none";
  return ok("abilities", `it has: ${listed(true)}; it has not: ${listed(false)}`);
}

function failed(what: string, error: unknown): Finding {
  if (!(error instanceof CofferError)) throw error;
  return fail(what, error.message, error.hint);
}
