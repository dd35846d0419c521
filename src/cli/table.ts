/** Columns aligned with two blanks between them; numbers to the right. Without rows, only `none`. */
export function table(head: readonly string[], raw: readonly (readonly string[])[], none: string): string {
  if (raw.length === 0) return `${none}\n`;
  const rows = raw.map((row) => row.map(printable));
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column] ?? ""))));
  const rightward = head.map((_, column) =>
    rows.every((row) => /^[-0-9.]*(?: [KMGTP]?i?B| m?s| [a-z]+)?$/.test(row[column] ?? "") && /[0-9]/.test(row[column] ?? "")),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => {
          const space = " ".repeat((widths[column] as number) - Bun.stringWidth(cell));
          return rightward[column] ? space + cell : cell + space;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
    .concat("\n");
}

/** `key  value` lines; what is undefined, null or empty is left out. */
export function fields(pairs: readonly (readonly [string, unknown])[]): string {
  const shown = pairs.filter(
    ([, value]) => value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0),
  );
  const width = Math.max(0, ...shown.map(([key]) => key.length));
  return shown
    .map(([key, value]) => `${key.padEnd(width)}  ${printable(Array.isArray(value) ? value.join(", ") : String(value))}\n`)
    .join("");
}

/** A file's name may hold a line break, or what would move a terminal's cursor. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (char) =>
    char < " " ? JSON.stringify(char).slice(1, -1) : `\\u00${char.charCodeAt(0).toString(16)}`,
  );
}
