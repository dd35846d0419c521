/** Six hex digits that tell apart names which became alike; the same for the same text, always. */
export function shortHash(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 6);
}
