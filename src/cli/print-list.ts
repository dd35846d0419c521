import type { Io } from "./io.ts";
import { growingTable } from "./table.ts";

const AT_ONCE = 1000;

/** How the rows are shown. */
interface View<R> {
  json(row: R): object;
  head: readonly string[];
  cells(row: R): string[];
  /** What is said of an empty list. */
  none: string;
}

/**
 * Prints rows as they come, so that a list of a million takes no more memory than one of a thousand: with `--json` as the document
 * `{schema, [key]: [...], ...rest}`, else as a table. `rest` is asked when all rows are written.
 */
export function printList<R>(
  io: Io,
  document: { schema: `coffer.${string}/${number}`; key: string; rest?: () => Readonly<Record<string, unknown>> },
  rows: Iterable<R>,
  view: View<R>,
): void {
  const table = growingTable(view.head, view.none);
  const parts: string[] = io.json ? [`{"schema":${JSON.stringify(document.schema)},${JSON.stringify(document.key)}:[`] : [];
  let batch: R[] = [];
  let count = 0;
  const write = (end: string): void => {
    if (io.json)
      parts.push(count > batch.length && batch.length > 0 ? "," : "", batch.map((row) => JSON.stringify(view.json(row))).join(","));
    else if (batch.length > 0 || count === 0) parts.push(table(batch.map(view.cells)));
    io.write(parts.splice(0).join("") + end);
    batch = [];
  };
  for (const row of rows) {
    count++;
    if (batch.push(row) === AT_ONCE) write("");
  }
  const rest = Object.entries(document.rest?.() ?? {}).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  write(io.json ? `]${rest.join("")}}\n` : "");
}
