/** A file that Python's configparser would refuse. The message names a line, and nothing of what it holds. */
export class IniFault extends Error {
  override readonly name = "IniFault";
}

type Section = Map<string, string>;

/**
 * One section of an INI file as Python's configparser reads it: `=` or `:`, keys in small letters, indented lines go on with the value before, `%%` for a percent sign and
 * `%(key)s` for another value, [DEFAULT] beneath. undefined where there is no such section.
 * @throws IniFault
 */
export function readIniSection(text: string, name: string): Section | undefined {
  const sections = parse(text);
  const section = sections.get(name);
  if (!section) return undefined;
  const all: Section = new Map([...(sections.get("DEFAULT") ?? []), ...section]);
  const room = { left: MAX_FILLED };
  return new Map([...all].map(([key, value]) => [key, filledIn(value, all, room)]));
}

function parse(text: string): Map<string, Section> {
  const sections = new Map<string, Section>();
  let section: Section | undefined;
  let key: string | undefined;
  let indent = 0;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = raw.trim();
    const fault = (what: string): IniFault => new IniFault(`line ${index + 1} ${what}`);
    if (line.startsWith("#") || line.startsWith(";")) continue;
    if (line === "") {
      if (section && key !== undefined) section.set(key, `${section.get(key)}\n`);
      continue;
    }
    const depth = raw.length - raw.trimStart().length;
    if (section && key !== undefined && depth > indent) {
      section.set(key, `${section.get(key)}\n${line}`);
      continue;
    }
    indent = depth;
    const header = /^\[(.+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      if (sections.has(header) && header !== "DEFAULT") throw fault("begins a section that was there before");
      section = sections.get(header) ?? new Map<string, string>();
      sections.set(header, section);
      key = undefined;
      continue;
    }
    if (!section) throw fault("is before the first section");
    const cut = line.search(/[=:]/);
    key = line.slice(0, Math.max(cut, 0)).trimEnd().toLowerCase();
    if (!key) throw fault("is no `key = value`");
    if (section.has(key)) throw fault("names a key that was there before");
    section.set(key, line.slice(cut + 1).trimStart());
  }
  for (const one of sections.values()) for (const [name, value] of one) one.set(name, value.trimEnd());
  return sections;
}

/** Values that name others, which name others: more than anyone's, in signs and in names. */
const MAX_FILLED = 100_000;

function filledIn(value: string, all: Section, room: { left: number }, depth = 1): string {
  room.left -= value.length + 1;
  if (room.left < 0) throw new IniFault("its values name one another too often");
  return value.replace(/%(%|\(([^)]+)\)s)?/g, (_, what?: string, name?: string) => {
    if (what === "%") return "%";
    const other = name === undefined ? undefined : all.get(name.toLowerCase());
    if (other === undefined || depth > 10) throw new IniFault("a value has a “%” that stands for nothing; a percent sign is written “%%”");
    return filledIn(other, all, room, depth + 1);
  });
}
