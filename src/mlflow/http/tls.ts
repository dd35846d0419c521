import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { CofferError, reason } from "../../domain/error.ts";
import { readSwitch } from "./environment.ts";
import type { Environment } from "./environment.ts";

export interface Tls {
  rejectUnauthorized?: boolean;
  ca?: string;
  cert?: string;
  key?: string;
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^]*?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * What MLflow's client would ask of https: whose certificates are believed, and which one of ours is shown. undefined: the usual authorities, and none of ours; or
 * there is no https on the way (`isNeeded`).
 * Files are looked into here, since the network says of a bad one only that no connection came about.
 * @throws CofferError CONFIG_INVALID
 */
export function readTls(env: Environment, isNeeded: boolean): Tls | undefined {
  const insecure = readSwitch(env, "MLFLOW_TRACKING_INSECURE_TLS", false);
  const serverCert = env["MLFLOW_TRACKING_SERVER_CERT_PATH"];
  if (insecure && serverCert)
    throw new CofferError("CONFIG_INVALID", "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other", {
      hint: "unset one of them",
    });
  // to read and check the authorities of a whole machine takes ten milliseconds
  if (!isNeeded) return undefined;
  const tls: Tls = {};
  if (insecure) tls.rejectUnauthorized = false;
  else {
    // the latter two are those of Python's requests, and of curl
    const name = ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].find((variable) => env[variable]);
    if (name !== undefined) tls.ca = readAuthorities(name, env[name] as string);
  }
  const clientCert = env["MLFLOW_TRACKING_CLIENT_CERT_PATH"];
  // as for MLflow's client, one PEM file holds the certificate and its key
  if (clientCert) tls.cert = tls.key = readIdentity("MLFLOW_TRACKING_CLIENT_CERT_PATH", clientCert);
  return Object.keys(tls).length > 0 ? tls : undefined;
}

/** Loading it takes milliseconds, and few connections show or check a certificate of their own. */
const crypto = () => process.getBuiltinModule("node:crypto");

/** A file of certificates, or a directory of such files. */
function readAuthorities(name: string, path: string): string {
  const text = readPem(name, path);
  const certificates = text.match(CERTIFICATE) ?? [];
  const sound = certificates.filter((pem) => check(name, path, () => new (crypto().X509Certificate)(pem)) !== undefined);
  if (sound.length === 0) throw invalid(name, path, "it holds no certificate", "give a PEM file with the certificate of the authority");
  return text;
}

function readIdentity(name: string, path: string): string {
  const text = readPem(name, path);
  const [certificate] = text.match(CERTIFICATE) ?? [];
  const hint = "give one PEM file with your certificate and its private key, without a passphrase";
  if (certificate === undefined || !text.includes("PRIVATE KEY-----"))
    throw invalid(name, path, "it does not hold a certificate and a private key", hint);
  const fits = check(name, path, () => new (crypto().X509Certificate)(certificate).checkPrivateKey(crypto().createPrivateKey(text)));
  if (!fits) throw invalid(name, path, "its private key is not that of its certificate", hint);
  return text;
}

function readPem(name: string, path: string): string {
  try {
    if (!statSync(path).isDirectory()) return readFileSync(path, "utf8");
    return readdirSync(path)
      .map((file) => join(path, file))
      .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
      .map((file) => (readFileSync(file, "utf8").match(CERTIFICATE) ?? []).join("\n"))
      .join("\n");
  } catch (error) {
    throw new CofferError("CONFIG_INVALID", `cannot read ${name}: ${reason(error)}`, { hint: "give the path of a PEM file" });
  }
}

function check<T>(name: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw invalid(name, path, `it is damaged, or wants a passphrase (${reason(error)})`, "give a PEM file without a passphrase");
  }
}

function invalid(name: string, path: string, what: string, hint: string): CofferError {
  return new CofferError("CONFIG_INVALID", `${name}: ${path}: ${what}`, { hint });
}
