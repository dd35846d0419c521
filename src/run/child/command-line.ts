import { hidesValue, knownSecrets, redactText, REDACTED } from "../../domain/redact.ts";

/**
 * The command as it is recorded: the same words, with the values of secret flags (`--token X`, `--token=X`, `api_key=X`, `Authorization: X`), the secrets that the
 * environment holds, and the user parts of URLs taken out.
 */
export function recordedCommand(command: readonly string[], env: Readonly<Record<string, string | undefined>>): string[] {
  const secrets = knownSecrets(env);
  const recorded: string[] = [];
  /** What the words so far call secret: the next one, or what stands behind an equals sign of its own. */
  let waitsFor: "value" | "equals" | undefined;
  for (const word of command) {
    if (waitsFor && word === "=") {
      waitsFor = "value";
      recorded.push(word);
      continue;
    }
    const login = LOGIN_FLAG.test(recorded.at(-1) ?? "") ? withoutPassword(word) : undefined;
    const isHidden = waitsFor === "value" ? !isFlag(word) : waitsFor === "equals" && word.startsWith("=");
    recorded.push(isHidden ? REDACTED : redactText(login ?? redactWord(word), secrets));
    const announces = !isHidden && !word.includes("=") && hidesValue(word);
    waitsFor = !announces ? undefined : isFlag(word) ? "value" : "equals";
  }
  return recorded;
}

/** `curl -u me:secret`. */
const LOGIN_FLAG = /^(?:-u|--(?:proxy-)?user|--auth|--login)$/;

/** `me:secret` → `me:[redacted]`; a user's and a group's number, as `docker run -u 1000:1000` has them, are none; undefined for anything else. */
function withoutPassword(word: string): string | undefined {
  const [, user = "", password = ""] = /^([^\s:/\\]+):([^\s]+)$/.exec(word) ?? [];
  return password === "" || (/^\d+$/.test(user) && /^\d+$/.test(password)) ? undefined : `${user}:${REDACTED}`;
}

function redactWord(word: string): string {
  const header = /^((?:proxy-)?authorization|cookie|x-api-key|private-token)(\s*:\s*)/i.exec(word);
  if (header) return `${header[0]}${REDACTED}`;
  const login = /^(--(?:proxy-)?user|--auth|--login)=(.*)$/.exec(word);
  const clean = login ? withoutPassword(login[2] as string) : undefined;
  if (login && clean !== undefined) return `${login[1]}=${clean}`;
  const assigned = /^([+-]*[\w.-]+)=/.exec(word);
  if (assigned && hidesValue(assigned[1] as string)) return `${assigned[0]}${REDACTED}`;
  return /\s/.test(word) ? redactInside(word) : word;
}

/** A script given as one word (`sh -c '…'`). */
function redactInside(script: string): string {
  const value = `("[^"]*"|'[^']*'|[^\\s'";|&]+)`;
  return script
    .replace(
      /((?:^|\s)(?:-u|--(?:proxy-)?user|--auth|--login)[\s=]+["']?)([^\s"':/\\]+:[^\s"']+)/g,
      (whole, lead: string, login: string) => {
        const clean = withoutPassword(login);
        return clean === undefined ? whole : lead + clean;
      },
    )
    .replace(new RegExp(`(--?[A-Za-z][\\w.-]*)(\\s+|=)${value}`, "g"), (whole, flag: string, gap: string, text: string) =>
      hidesValue(flag) && !isFlag(text) ? `${flag}${gap}${REDACTED}` : whole,
    )
    .replace(new RegExp(`(?<![\\w-])([A-Za-z_][\\w.]*)(\\s*=(?!=)\\s*)${value}`, "g"), (whole, name: string, equals: string) =>
      hidesValue(name) ? `${name}${equals}${REDACTED}` : whole,
    )
    .replace(/\b((?:proxy-)?authorization|cookie|x-api-key|private-token)(\s*:\s*)[^'"\n]+/gi, `$1$2${REDACTED}`);
}

function isFlag(word: string): boolean {
  return /^--?[A-Za-z]/.test(word);
}
