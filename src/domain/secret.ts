/** A name whose value nobody should see: `MLFLOW_TRACKING_TOKEN`, `--api-key`, `password`. */
export function isSecretName(name: string): boolean {
  // the shell's own names for the working directory
  if (/^(?:OLD)?PWD$/.test(name)) return false;
  const words = splitCamel(name);
  return (
    /(^|[^a-z])(token|jwt|oauth|passcode|pwd|bearer|secret|(?:api|access|account|encryption|licen[cs]e|private|ssh|wandb)[-_]?key|credentials?|sig|signature)s?([^a-z]|$)/i.test(
      words,
    ) ||
    // not `multi_pass`
    /^[^a-z]*(?:(?:admin|db|ftp|root|smtp|user)[-_])?(?:pass|pw)$/i.test(words) ||
    // PGPASSWORD, accesstoken, dbpassword
    /(?:password|passwd|passphrase)s?(?:[^a-z]|$)|(?:access|api|auth|bearer|hf|id|my|refresh|session)token(?:[^a-z]|$)/i.test(words)
  );
}

/** Every URL of a text without its user part, and without the values of parameters that name a secret. */
export function displayUrl(text: string): string {
  return (
    text
      // of the scheme its last sign: to look for its beginning at each letter takes minutes in a text of a megabyte
      // a password with a quote or an angle bracket in it; behind a port they end the URL
      .replace(/([a-z0-9+.-]:[/\\]{2})[^\s"'<>/\\@:]*:(?![0-9]*['<>])[^\s"/\\@]*@/gi, "$1")
      .replace(/([a-z0-9+.-]:[/\\]{2})([^\s"'<>]*)/gi, (_, scheme: string, rest: string) => scheme + withoutUser(rest))
      .replace(/^[^\s/@:]+:[^\s/@]+@/, "")
      .replace(/([?&;#])([^?=&;#\s]+)=([^&;#\s]*)/g, (whole, lead: string, name: string) =>
        isSecretName(name) ? `${lead}${name}=…` : whole,
      )
  );
}

/** A text that is one URL as a whole, as of a git remote (`user@host:path` too), without its user part, whatever characters that is written with. */
export function displayRemote(url: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:[/\\]{2}/i.exec(url)?.[0];
  return displayUrl(scheme === undefined ? url.replace(/^(?![./]).*@(?=[^/@:]+:)/, "") : scheme + withoutUser(url.slice(scheme.length)));
}

/** A password may hold a raw slash although it should not; then what stands before the slash reads as host and a port that is no number. */
function withoutUser(rest: string): string {
  const authority = /^[^/\\?#]*/.exec(rest)?.[0] ?? "";
  const inAuthority = authority.lastIndexOf("@");
  if (inAuthority !== -1) return rest.slice(inAuthority + 1);
  const at = rest.lastIndexOf("@");
  return at !== -1 && /:(?![0-9]+$)./.test(authority) && !authority.startsWith("[") ? rest.slice(at + 1) : rest;
}

function splitCamel(name: string): string {
  return name.replace(/([a-z])([A-Z])/g, "$1_$2");
}
