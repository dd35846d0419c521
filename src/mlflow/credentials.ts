import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CofferError, errno, reason } from "../domain/error.ts";
import type { Environment } from "./environment.ts";

/** What proves who we are. `secrets` are the strings that may never be shown. */
export interface Authorization {
  header: string | undefined;
  secrets: readonly string[];
}

/**
 * Who we are, in the order of MLflow's own client: user and password in the URL; Basic from `MLFLOW_TRACKING_USERNAME` and
 * `MLFLOW_TRACKING_PASSWORD`, each from the environment, else from `~/.mlflow/credentials`; `MLFLOW_TRACKING_TOKEN` as Bearer.
 * A user without a password counts as none, and an empty variable as an absent one.
 * @throws CofferError CONFIG_INVALID for schemes that we cannot sign, UNREADABLE for a credentials file that cannot be read
 */
export function findAuthorization(url: URL, env: Environment): Authorization {
  for (const name of ["MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4"] as const)
    if (env[name] && !/^(false|0)$/i.test(env[name]))
      throw new CofferError("CONFIG_INVALID", `${name} is set, and coffer cannot sign requests that way`, {
        hint: "unset it and use a user and password, or MLFLOW_TRACKING_TOKEN",
      });

  if (url.username && url.password) return basic(decode(url.username), decode(url.password));
  let user = env["MLFLOW_TRACKING_USERNAME"];
  let password = env["MLFLOW_TRACKING_PASSWORD"];
  if (!user || !password) {
    const file = readCredentialsFile(join(env["HOME"] || homedir(), ".mlflow", "credentials"));
    user ||= file["mlflow_tracking_username"];
    password ||= file["mlflow_tracking_password"];
  }
  if (user && password) return basic(user, password);
  const token = env["MLFLOW_TRACKING_TOKEN"];
  return token ? { header: `Bearer ${token}`, secrets: [token] } : { header: undefined, secrets: [] };
}

function basic(user: string, password: string): Authorization {
  const encoded = Buffer.from(`${user}:${password}`).toString("base64");
  return { header: `Basic ${encoded}`, secrets: [encoded, password] };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function readCredentialsFile(path: string): Record<string, string> {
  try {
    return parseCredentials(readFileSync(path, "utf8"));
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return {};
    throw new CofferError("UNREADABLE", `cannot read MLflow's credentials file ${path}: ${reason(error)}`, {
      hint: "make it readable, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    });
  }
}

/** The section `mlflow` of an INI file as Python's configparser reads it: `=` or `:`, keys in lower case, `%%` for a percent sign, [DEFAULT] beneath. */
export function parseCredentials(text: string): Record<string, string> {
  const sections: Record<string, Record<string, string>> = {};
  let current: Record<string, string> = {};
  for (const raw of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
    const section = /^\[(.+)\]$/.exec(line);
    if (section) {
      current = sections[section[1] as string] ??= {};
      continue;
    }
    const pair = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line);
    if (pair) current[(pair[1] as string).toLowerCase()] = (pair[2] as string).replaceAll("%%", "%");
  }
  return sections["mlflow"] ? { ...sections["DEFAULT"], ...sections["mlflow"] } : {};
}
