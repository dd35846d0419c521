/** A part of a URL as it was meant; one that is not encoded as it should be (a bare `%` in a password) as it stands there. */
export function percentDecoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
