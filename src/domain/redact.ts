import { displayUrl, isSecretName } from "./secret.ts";

export const REDACTED = "[redacted]";

type Env = Readonly<Record<string, string | undefined>>;

/** Whether an argument or parameter of this name holds a secret: `--api-key`, `wandb.token`; not a text model's `--pad-token` or `--max-tokens`. */
export function hidesValue(name: string): boolean {
  return (
    isSecretName(name) && !/(?:^|[^a-z])(?:pad|eos|bos|unk|mask|sep|cls|special|stop|start|end|image|per)[-_]?token|tokens$/i.test(name)
  );
}

/** What secrets look like wherever they stand. */
const TOKENS = [
  /(?<=\bhooks\.slack\.com\/services\/)[A-Za-z0-9/]{16,}/g,
  // connection strings, and the files of AWS, Azure and netrc
  /(?<=\b(?:account_?key|shared_?access_?key|aws_secret_access_key|aws_session_token)["']?\s{0,4}[:=]\s{0,4}["']?)[A-Za-z0-9+/=]{16,}/gi,
  /(?<=\bmachine\s{1,4}\S{1,200}\s{1,4}login\s{1,4}\S{1,200}\s{1,4}password\s{1,4})\S+/g,
  /\b(?:hf_|ghp_|gho_|ghs_|github_pat_|glpat-|xox[abp]-|sk-|dapi|npm_|pypi-)[A-Za-z0-9_-]{16,}/g,
  /\bA[KS]IA[A-Z0-9]{16}\b/g,
];

/** A JSON web token. What only begins like one (no dot) is taken along and left as it is: to look into it again from each of its letters would take minutes. */
const WEB_TOKEN = /\beyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)?/g;

/** What stands behind words that announce a secret. */
const ANNOUNCED = [
  /(?<=\b(?:Bearer|Basic) )[A-Za-z0-9._~+/=-]{8,}/g,
  /(?<=\b(?:token|secret|api[-_]?key|(?:[a-z0-9]{1,20}_)?(?:password|passwd))["']?\s{0,4}:\s{0,4}["']?)[^"'\s,}]{4,}/gi,
  /(?<=[;"']pwd\s{0,4}=\s{0,4})[^"'\s;]{1,200}/gi,
  // in a URL it ends with its parameter
  /(?<=\b(?:token|secret|api[-_]?key|(?:[a-z0-9]{1,20}_)?(?:password|passwd))\s{0,4}=\s{0,4}["']?)[^"'\s,}=&;#]{4,}/gi,
];

/**
 * The values in this environment that must not be written down, longest first. Short ones (`1`, `true`) are left: they would be found everywhere.
 */
export function knownSecrets(env: Env): readonly string[] {
  // a run asks four times for those of one environment, which is as it was when we were started
  const before = known.get(env);
  if (before) return before;
  const secrets = secretsIn(env);
  known.set(env, secrets);
  return secrets;
}

const known = new WeakMap<Env, readonly string[]>();

function secretsIn(env: Env): string[] {
  const found = new Set<string>();
  for (const [name, value = ""] of Object.entries(env)) {
    // MLFLOW_TRACKING_USERNAME is half of a credential
    if ((hidesValue(name) || name.endsWith("_PASS") || name === "MLFLOW_TRACKING_USERNAME") && value.length >= 6) found.add(value);
    const inUrl = /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/@]+)@/i.exec(value)?.[1];
    if (inUrl !== undefined && inUrl.length >= 6) found.add(inUrl);
  }
  return [...found].sort((a, b) => b.length - a.length);
}

/** Takes known values, user parts of URLs and whatever has the shape of a secret out of a text. */
export function redactText(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) clean = clean.replaceAll(secret, REDACTED);
  for (const shape of [...TOKENS, ...ANNOUNCED]) clean = clean.replace(shape, REDACTED);
  clean = clean.replace(WEB_TOKEN, (found) => (found.includes(".") ? REDACTED : found));
  return /:[/\\]{2}/.test(clean) ? displayUrl(clean) : clean;
}

/** The same of all texts in a value, however deep they lie, and of what the names in it call secret. */
export function redactValue(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === "string") return redactText(value, secrets);
  if (Array.isArray(value)) return value.map((inner) => redactValue(inner, secrets));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      hidesValue(key) && inner !== null && typeof inner !== "object" && inner !== "" ? REDACTED : redactValue(inner, secrets),
    ]),
  );
}

/** Whether a text holds what can only be a secret: a token by its form, or a URL with a password. */
export function holdsToken(text: string): boolean {
  return (
    TOKENS.some((shape) => text.search(shape) !== -1) ||
    text.match(WEB_TOKEN)?.some((found) => found.includes(".")) === true ||
    /[a-z]:\/\/[^\s/@:'"]+:[^\s/@'"{$<]+@/i.test(text)
  );
}

/** Params and tags as they may be stored and delivered: without values that their names, or their looks, call secret. */
export function redactPairs(
  pairs: Iterable<readonly [key: string, value: string]>,
  secrets: readonly string[] = [],
): [key: string, value: string][] {
  return [...pairs].map(([key, value]) => [key, hidesValue(key) && value !== "" ? REDACTED : redactText(value, secrets)]);
}
