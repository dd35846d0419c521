/*
 * The end of a manifest that the store keeps: a digest of all that stands before it, and the word that it is complete. It tells a manifest that was changed on its disk
 * from one that is as it was written; where the database says otherwise than such a one, it is the database that is wrong.
 */

const SEAL = /(?<=\n)  sum: "sha256:([0-9a-f]{64})"\n  complete: true\n$/;
/** How long the end is at most. */
const END = 128;
/** A line where the digest stands, whatever it says by now; a list of artifacts is indented more, or empty. */
const IN_ITS_PLACE = /\n  (?![ -]|artifacts: \[\])[^\n]+\n  complete: true\n$/;

/** The pieces of a manifest whose last block is `coffer`, and its end. */
export function* sealed(pieces: Iterable<string>): Generator<string> {
  const sha256 = new Bun.CryptoHasher("sha256");
  for (const piece of pieces) {
    sha256.update(piece);
    yield piece;
  }
  yield `  sum: "sha256:${sha256.digest("hex")}"\n  complete: true\n`;
}

/** unsealed: an older coffer wrote it, or it is cut short. */
export function sealOf(text: string): "whole" | "changed" | "unsealed" {
  const end = SEAL.exec(text.slice(-END));
  if (!end) return IN_ITS_PLACE.test(text.slice(-2 * END)) ? "changed" : "unsealed";
  const before = text.slice(0, text.length - end[0].length);
  return new Bun.CryptoHasher("sha256").update(before).digest("hex") === end[1] ? "whole" : "changed";
}

/** What of a manifest stays as it is when its run is delivered, or something happens to it; a text holds no line of its own. */
export function lastingPart(text: string): string {
  const begin = text.indexOf("\ncoffer:\n");
  const deliveries = text.indexOf("\n    deliveries:", begin);
  return bodyOf(text.slice(begin, deliveries) + text.slice(text.indexOf("\n  artifacts:", deliveries)));
}

/** What a manifest says beside its end and beside the number of the journal's last line: two that agree in this say the same. */
export function bodyOf(text: string): string {
  return text.replace(/^  sum: "sha256:[0-9a-f]{64}"\n(?=  complete: true\n$(?![^]))/m, "").replace(/^  journal: [0-9]+\n/m, "");
}
