import { holdsToken } from "../../domain/redact.ts";
/** Files that hold keys by their name, whatever directory they are in; samples of them are not. */
const NAMES = new RegExp(
  [
    String.raw`\.env(\..+)?`,
    String.raw`.+\.env`,
    String.raw`\.envrc`,
    String.raw`.+\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk|pkcs8|tfstate|tfvars|gpg)`,
    String.raw`id_(rsa|dsa|ecdsa|ed25519)(_.*|-.*|\..*)?`,
    String.raw`[._]netrc|\.pgpass|\.npmrc|\.pypirc|\.htpasswd|\.git-credentials|\.boto|\.s3cfg|\.databrickscfg|\.vault-token|\.renviron|\.dockercfg`,
    String.raw`\.?credentials?(\..+)?|.*[-_.]credentials?(\..+)?`,
    String.raw`\.?secrets?(\..+)?|.*[-_.]secrets?\.(json|ya?ml|toml|ini|txt|env)`,
    String.raw`.*service[-_]?account.*\.json|client[-_]secret.*\.json|kaggle\.json`,
    String.raw`.*[-_.]token(\.txt)?|\.?tokens?(\.(txt|json))?`,
  ]
    .map((part) => `^(?:${part})$`)
    .join("|"),
  "i",
);
const SAMPLES = /\.(example|sample|template|dist|pub)$/i;
const DIRECTORIES = new Set([".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".gcloud"]);

export function isKeyFile(path: string): boolean {
  const parts = path.split("/");
  const name = parts.pop() as string;
  return parts.some((part) => DIRECTORIES.has(part)) || (NAMES.test(name) && !SAMPLES.test(name));
}

/** A private key or a token in the text, a URL with a password, or a secret that the environment holds too. */
export function holdsSecret(bytes: Buffer, secrets: readonly string[]): boolean {
  const text = bytes.toString("latin1");
  return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) || secrets.some((secret) => bytes.includes(secret)) || holdsToken(text);
}
