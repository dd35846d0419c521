/** Who a `.netrc` names for a host. */
export interface NetrcLogin {
  user: string;
  password: string;
}

/**
 * The entry for a host, else the default one, as Python's `netrc` and requests read it; undefined where there is none, or the file is malformed: they leave it out then, too.
 */
export function findInNetrc(text: string, host: string): NetrcLogin | undefined {
  const entries = parse(text);
  const entry = entries?.get(host) ?? entries?.get("default");
  if (!entry || (!entry.login && !entry.account && !entry.password)) return undefined;
  return { user: entry.login || entry.account, password: entry.password };
}

type Entry = { login: string; account: string; password: string };

const TOP = new Set(["", "machine", "default", "macdef"]);

function parse(text: string): Map<string, Entry> | undefined {
  const entries = new Map<string, Entry>();
  const words = new Words(text);
  for (let word = words.next(); word !== "";) {
    if (word.startsWith("#")) {
      if (word === "#") words.skipLine();
      word = words.next();
      continue;
    }
    if (!TOP.has(word)) return undefined;
    const name = word === "default" ? "default" : words.next();
    if (word === "macdef") {
      if (!words.skipMacro()) return undefined;
      word = words.next();
      continue;
    }
    if (name === "") return undefined;
    const entry: Entry = { login: "", account: "", password: "" };
    for (word = words.next(); !TOP.has(word); word = words.next()) {
      if (word.startsWith("#")) words.skipLine();
      else if (word === "login" || word === "user") entry.login = words.next();
      else if (word === "account" || word === "password") entry[word] = words.next();
      else return undefined;
    }
    entries.set(name, entry);
  }
  return entries;
}

/** Words between blanks; quotes keep blanks, a backslash keeps the sign behind it. */
class Words {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  next(): string {
    while (/[\n\t\r ]/.test(this.#text[this.#at] ?? "x")) this.#at++;
    const quoted = this.#text[this.#at] === '"';
    if (quoted) this.#at++;
    let word = "";
    for (let sign = this.#text[this.#at]; sign !== undefined; sign = this.#text[this.#at]) {
      this.#at++;
      if (quoted ? sign === '"' : /[\n\t\r ]/.test(sign)) break;
      word += sign === "\\" ? (this.#text[this.#at++] ?? "") : sign;
    }
    return word;
  }

  /** What is left of the line that the last word was on. */
  skipLine(): void {
    if (this.#text[this.#at - 1] === "\n") return;
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.#text.length : end + 1;
  }

  /** Up to an empty line; false where there is none. */
  skipMacro(): boolean {
    const end = /^\n/m.exec(this.#text.slice(this.#at));
    if (!end) return false;
    this.#at += end.index + 1;
    return true;
  }
}
