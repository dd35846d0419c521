import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CofferError, errno, reason } from "../../domain/error.ts";
import type { Environment } from "./environment.ts";
import { IniFault, readIniSection } from "./ini.ts";
import { findInNetrc } from "./netrc.ts";
import { percentDecoded } from "./percent-decoded.ts";

/** What proves who we are. `secrets` are the strings that may never be shown. */
export interface Authorization {
  header: string | undefined;
  /** In words, without any secret; undefined where nothing says who we are. */
  who: string | undefined;
  secrets: readonly string[];
}

/**
 * Who we are, in the order of MLflow's own client (a test compares the two): the entry of `.netrc` for the server's host; user and password in the URL; Basic from
 * `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, each from the environment, else from `~/.mlflow/credentials`; `MLFLOW_TRACKING_TOKEN` as Bearer.
 * A user without a password counts as none, and an empty variable as an absent one.
 * @throws CofferError CONFIG_INVALID for schemes that we cannot sign, and for a credentials file that is malformed; UNREADABLE for one that cannot be read
 */
export function findAuthorization(uri: string, env: Environment): Authorization {
  for (const name of ["MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4"] as const)
    if (env[name] && !/^(false|0)$/i.test(env[name]))
      throw new CofferError("CONFIG_INVALID", `${name} is set, and coffer cannot sign requests that way`, {
        hint: "unset it and use a user and password, or MLFLOW_TRACKING_TOKEN",
      });

  const home = env["HOME"] || homedir();
  // read in each case: one that is malformed stops MLflow's client, too
  const file = readCredentialsFile(join(home, ".mlflow", "credentials"));
  const fromNetrc = readNetrc(env, home, new URL(uri).hostname.replace(/^\[|\]$/g, ""));
  if (fromNetrc) return basic(fromNetrc.user, fromNetrc.password, ".netrc");
  const inUrl = /^[a-z]+:\/\/([^/?#@]*):([^/?#]*)@/i.exec(uri.trim());
  if (inUrl && (inUrl[1] || inUrl[2])) {
    const { secrets, ...known } = basic(percentDecoded(inUrl[1] as string), percentDecoded(inUrl[2] as string), "the tracking URI");
    return { ...known, secrets: [...new Set([...secrets, inUrl[2] as string])].filter(Boolean) };
  }
  const user = env["MLFLOW_TRACKING_USERNAME"] || file.get("mlflow_tracking_username");
  const password = env["MLFLOW_TRACKING_PASSWORD"] || file.get("mlflow_tracking_password");
  const places = (["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"] as const).map((name) =>
    env[name] ? name : "~/.mlflow/credentials",
  );
  if (user && password) return basic(user, password, [...new Set(places)].join(" and "));
  const token = env["MLFLOW_TRACKING_TOKEN"];
  return token
    ? { header: `Bearer ${token}`, who: "the bearer of MLFLOW_TRACKING_TOKEN", secrets: [token] }
    : { header: undefined, who: undefined, secrets: [] };
}

/** `from`: where user and password stand. */
function basic(user: string, password: string, from: string): Authorization {
  const encoded = Buffer.from(`${user}:${password}`).toString("base64");
  return { header: `Basic ${encoded}`, who: `user “${user}” of ${from}`, secrets: [encoded, password].filter(Boolean) };
}

function readCredentialsFile(path: string): ReadonlyMap<string, string> {
  try {
    return readIniSection(readFileSync(path, "utf8"), "mlflow") ?? new Map();
  } catch (error) {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return new Map();
    if (error instanceof IniFault)
      throw new CofferError("CONFIG_INVALID", `MLflow's credentials file ${path}: ${error.message}`, {
        hint: "it holds [mlflow] and below it mlflow_tracking_username = … and mlflow_tracking_password = …",
      });
    throw new CofferError("UNREADABLE", `cannot read MLflow's credentials file ${path}: ${reason(error)}`, {
      hint: "make it readable, or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    });
  }
}

/** One that cannot be read is left out, as MLflow's client leaves it out. */
function readNetrc(env: Environment, home: string, host: string): ReturnType<typeof findInNetrc> {
  const places = env["NETRC"] === undefined ? [join(home, ".netrc"), join(home, "_netrc")] : [env["NETRC"].replace(/^~(?=\/)/, home)];
  const path = places.find((place) => existsSync(place));
  try {
    return path === undefined ? undefined : findInNetrc(readFileSync(path, "utf8"), host);
  } catch {
    return undefined;
  }
}
