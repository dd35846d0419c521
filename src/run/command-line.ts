import { hidesValue, knownSecrets, redactText, REDACTED } from "../domain/redact.ts";

/**
 * The command as it is recorded: the same words, with the values of secret flags (`--token X`, `--token=X`, `api_key=X`, `Authorization: X`), the secrets that the
 * environment holds, and the user parts of URLs taken out.
 */
export function recordedCommand(command: readonly string[], env: Readonly<Record<string, string | undefined>>): string[] {
  const secrets = knownSecrets(env);
  const recorded: string[] = [];
  let hidesNext = false;
  for (const word of command) {
    recorded.push(hidesNext && !isFlag(word) ? REDACTED : redactText(redactWord(word), secrets));
    hidesNext = isFlag(word) && !word.includes("=") && hidesValue(word);
  }
  return recorded;
}

function redactWord(word: string): string {
  const header = /^((?:proxy-)?authorization|cookie|x-api-key|private-token)(\s*:\s*)/i.exec(word);
  if (header) return `${header[0]}${REDACTED}`;
  const assigned = /^([+-]*[\w.-]+)=/.exec(word);
  if (assigned && hidesValue(assigned[1] as string)) return `${assigned[0]}${REDACTED}`;
  return /\s/.test(word) ? redactInside(word) : word;
}

/** A script given as one word (`sh -c '…'`). */
function redactInside(script: string): string {
  const value = `("[^"]*"|'[^']*'|[^\\s'";|&]+)`;
  return script
    .replace(new RegExp(`(--?[A-Za-z][\\w.-]*)(\\s+|=)${value}`, "g"), (whole, flag: string, gap: string, text: string) =>
      hidesValue(flag) && !isFlag(text) ? `${flag}${gap}${REDACTED}` : whole,
    )
    .replace(new RegExp(`(?<![\\w-])([A-Za-z_][\\w.]*)=${value}`, "g"), (whole, name: string) =>
      hidesValue(name) ? `${name}=${REDACTED}` : whole,
    )
    .replace(/\b((?:proxy-)?authorization|cookie|x-api-key|private-token)(\s*:\s*)[^'"\n]+/gi, `$1$2${REDACTED}`);
}

function isFlag(word: string): boolean {
  return /^--?[A-Za-z]/.test(word);
}
