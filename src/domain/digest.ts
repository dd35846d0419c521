import { CofferError } from "./error.ts";

/** The digests that a blob may be known by. Blobs are named by BLAKE3-256; SHA-256 is added where something needs it. */
export type Algorithm = "blake3" | "sha256";

export interface Digest {
  readonly algorithm: Algorithm;
  /** 64 lower-case hex digits. */
  readonly hex: string;
}

/** `blake3:<64 hex>`, the form in which digests are written everywhere. */
export function formatDigest(digest: Digest): string {
  return `${digest.algorithm}:${digest.hex}`;
}

/**
 * Reads `blake3:<64 hex>` or `sha256:<64 hex>`.
 * @throws CofferError VALUE_INVALID
 */
export function parseDigest(text: string): Digest {
  const found = /^(blake3|sha256):([0-9a-f]{64})$/.exec(text);
  if (!found) throw new CofferError("VALUE_INVALID", `not a digest: ${text}`, { hint: "write blake3: or sha256: and 64 hex digits" });
  return { algorithm: found[1] as Algorithm, hex: found[2] as string };
}

/** Reads a reference such as `blake3:3fa4`: algorithm and at least 4 hex digits; undefined where it is none. */
export function parseDigestPrefix(text: string): Digest | undefined {
  const found = /^(blake3|sha256):([0-9a-f]{4,64})$/.exec(text);
  return found ? { algorithm: found[1] as Algorithm, hex: found[2] as string } : undefined;
}
