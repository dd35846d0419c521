import { CofferError } from "../../domain/error.ts";
import { shortHash } from "../short-hash.ts";

/** MLflow's limit for the keys of params, metrics and tags, in characters. */
const MAX_KEY = 250;

/**
 * What no key may have. MLflow asks its Python what a letter is (letters and numbers, no combining marks), and an older Python knows fewer:
 * blocks that Unicode still fills, and all beyond its first plane, count as odd.
 */
const ODD = /[^/\p{L}\p{N}_.\- :]|[\u0870-\u08ff\u0c5c\u0cdc\u1c80-\u1c8f\ua7c0-\uabff\u{10000}-\u{10ffff}]/gu;

/**
 * The key under which MLflow takes a param, metric or tag: at most 250 letters, numbers and `/ _ . - : blank`, equal to its normalised path, without two dots before it.
 * Any other key keeps what it can: `_` stands for each odd character, and a hash of the whole follows, so that two keys never become one:
 * `mAP@0.5` → `mAP_0.5-b4a73e`. The same key always becomes the same.
 * @throws CofferError VALUE_INVALID for an empty key
 */
export function remoteKey(key: string): { key: string; changed: boolean } {
  if (key === "") throw new CofferError("VALUE_INVALID", "a param, metric or tag has an empty key", { hint: "give it a name" });
  if (isValidKey(key)) return { key, changed: false };
  const tail = `-${shortHash(key)}`;
  const plain = key
    .toWellFormed()
    .replace(ODD, "_")
    .split("/")
    .filter((part) => part !== "")
    .map((part) => (part === "." || part === ".." ? "_" : part))
    .join("/")
    .replace(/^\.\./, "__");
  return { key: [...plain].slice(0, MAX_KEY - tail.length).join("") + tail, changed: true };
}

function isValidKey(key: string): boolean {
  // MLflow takes whatever begins with two dots for a way out
  if (key.startsWith("..") || key.search(ODD) >= 0 || [...key].length > MAX_KEY) return false;
  return key.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
