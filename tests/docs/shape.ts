import { section, tableRows } from "./markdown.ts";

interface Row {
  key: string;
  holds: string;
  optional: boolean;
}

/**
 * Reads the shapes of docs/json.md and holds documents against them. What a document has and the page does not, and the other way round, is a sentence.
 */
export class Shapes {
  readonly #page: string;
  /** Keys, by section, that some document had. */
  readonly #seen = new Map<string, Set<string>>();

  constructor(page: string) {
    this.#page = page;
  }

  /** The documents that the page has. */
  schemas(): string[] {
    return [...this.#page.matchAll(/^## (coffer\.[a-z-]+\/[0-9]+)$/gm)].map((match) => match[1] as string);
  }

  /** What is wrong with a document. */
  check(document: { schema: string }): string[] {
    const { schema, ...rest } = document;
    return this.#object(rest, schema, "", schema);
  }

  /** Keys of a section that no document had. */
  unseen(title: string): string[] {
    return this.#rows(title)
      .map(({ key }) => key)
      .filter((key) => !this.#seen.get(title)?.has(key));
  }

  #object(value: unknown, title: string, prefix: string, at: string): string[] {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return [`${at} is no object`];
    const rows = [title, ...this.#includes(title)].flatMap((part) => this.#rows(part).map((row) => ({ ...row, part })));
    const problems: string[] = [];
    const below = rows.filter(({ key }) => key.startsWith(prefix));
    for (const [key, inner] of Object.entries(value)) {
      const own = prefix + key;
      const row = below.find((each) => [own, `${own}[]`, `${prefix}*`].includes(each.key));
      if (row) {
        this.#see(row.part, row.key);
        problems.push(...(row.key.endsWith("[]") ? this.#list(inner, row, `${at}.${key}`) : this.#value(inner, row.holds, `${at}.${key}`)));
      } else if (below.some((each) => each.key.startsWith(`${own}[].`)))
        problems.push(
          ...(Array.isArray(inner)
            ? inner.flatMap((entry) => this.#object(entry, title, `${own}[].`, `${at}.${key}[]`))
            : [`${at}.${key} is no list`]),
        );
      else if (below.some((each) => each.key.startsWith(`${own}.`)))
        problems.push(...this.#object(inner, title, `${own}.`, `${at}.${key}`));
      else problems.push(`${at}.${key} is not documented`);
    }
    const wanted = new Set(
      below
        .filter(({ optional, key }) => !optional && key !== `${prefix}*`)
        .map(({ key }) => (key.slice(prefix.length).split(/\.|\[\]/) as [string])[0]),
    );
    for (const key of wanted) if (!(key in value)) problems.push(`${at}.${key} is missing`);
    return problems;
  }

  #list(value: unknown, row: Row, at: string): string[] {
    // the only list that may be null says so
    if (value === null && row.key === "command[]") return [];
    return Array.isArray(value) ? value.flatMap((entry) => this.#value(entry, row.holds, `${at}[]`)) : [`${at} is no list`];
  }

  #value(value: unknown, holds: string, at: string): string[] {
    const kinds = holds.split(" or ");
    const shape = kinds.map((kind) => /^\*(.+)\*$/.exec(kind)?.[1]).find((title) => title !== undefined);
    if (shape !== undefined && value !== null) return this.#object(value, shape, "", at);
    const fits = kinds.some(
      (kind) =>
        kind === "any" || (kind === "null" ? value === null : kind === "integer" ? Number.isSafeInteger(value) : typeof value === kind),
    );
    return fits ? [] : [`${at} should hold ${holds}, and is ${JSON.stringify(value)}`];
  }

  /** “All keys of *x*, and these”. */
  #includes(title: string): string[] {
    const words = section(this.#page, title).split("\n|")[0] as string;
    return [...words.matchAll(/[Aa]ll keys of (?:the table )?\*([^*]+)\*/g)].flatMap((match) => [
      match[1] as string,
      ...this.#includes(match[1] as string),
    ]);
  }

  #rows(title: string): Row[] {
    // a section's own table only
    const own = (section(this.#page, title).split(/^#/m)[0] as string).replace(/^/, "## x\n");
    return tableRows(own, "x").map(([key = "", holds = ""]) => {
      const plain = key.replaceAll("`", "");
      return { key: plain.replace(/\?$/, ""), holds, optional: plain.endsWith("?") };
    });
  }

  #see(title: string, key: string): void {
    this.#seen.set(title, (this.#seen.get(title) ?? new Set()).add(key));
  }
}
