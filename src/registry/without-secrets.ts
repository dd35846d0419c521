import { redactValue } from "../domain/redact.ts";
import type { Particulars } from "./record.ts";

/** What is said of an artifact in words of somebody's own. */
type Words = Partial<Pick<Particulars, (typeof WORDS)[number]>>;

const WORDS = ["class", "description", "format", "formatVersion", "params", "featureColumns", "extra"] as const;

/** What is said of an artifact, with words as they may be stored: nothing that looks like a secret, and none of these. */
export function withoutSecrets<S extends Words>(said: S, secrets: readonly string[]): S {
  const words = Object.fromEntries(WORDS.filter((key) => said[key] !== undefined).map((key) => [key, said[key]]));
  return { ...said, ...(redactValue(words, secrets) as Words) };
}
