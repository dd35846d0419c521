/** Columns aligned with two blanks between them; numbers to the right. Without rows, only `none`. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  return growingTable(head, none)(rows);
}

/** A table that is printed part by part: the first has the head, and says how wide the columns are. */
export function growingTable(head: readonly string[], none: string): (rows: readonly (readonly string[])[]) => string {
  let columns: { width: number; isNumber: boolean }[] | undefined;
  return (raw) => {
    if (raw.length === 0) return columns ? "" : `${none}\n`;
    const rows = raw.map((row) => row.map(printable));
    const all = columns ? rows : [head, ...rows];
    columns ??= head.map((title, column) => ({
      width: rows.reduce((width, row) => Math.max(width, Bun.stringWidth(row[column] ?? "")), Bun.stringWidth(title)),
      isNumber: rows.every((row) => /^[-0-9.]*(?: [KMGTP]?i?B| m?s| [a-z]+)?$/.test(row[column] ?? "") && /[0-9]/.test(row[column] ?? "")),
    }));
    return all.map((row) => `${line(row, columns as NonNullable<typeof columns>)}\n`).join("");
  };
}

function line(row: readonly string[], columns: readonly { width: number; isNumber: boolean }[]): string {
  return row
    .map((cell, column) => {
      const { width, isNumber } = columns[column] as { width: number; isNumber: boolean };
      const space = " ".repeat(Math.max(0, width - Bun.stringWidth(cell)));
      return isNumber ? space + cell : cell + space;
    })
    .join("  ")
    .trimEnd();
}

/** `key  value` lines; what is undefined, null or empty is left out. */
export function fields(pairs: readonly (readonly [string, unknown])[]): string {
  const shown = pairs.filter(
    ([, value]) => value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0),
  );
  const width = shown.reduce((most, [key]) => Math.max(most, printable(key).length), 0);
  return shown
    .map(([key, value]) => `${printable(key).padEnd(width)}  ${printable(Array.isArray(value) ? value.join(", ") : String(value))}\n`)
    .join("");
}

/** The same of words with line breaks of their own. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** A file's name may hold a line break, what would move a terminal's cursor, or what turns the letters behind it round. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) =>
    char < " " ? JSON.stringify(char).slice(1, -1) : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
