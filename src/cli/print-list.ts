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
 * `{schema, [key]: [...], ...rest}`, else as a table. `rest` is asked when all rows are written. Returns how many there were.
 */
export function printList<R>(
  io: Io,
  document: { schema: `coffer.${string}/${number}`; key: string; rest?: () => Readonly<Record<string, unknown>> },
  rows: Iterable<R>,
  view: View<R>,
): number {
  const table = growingTable(view.head, view.none);
  let written = 0;
  let batch: R[] = [];
  const write = (): void => {
    const lead =
      written === 0 ? `{"schema":${JSON.stringify(document.schema)},${JSON.stringify(document.key)}:[` : batch.length > 0 ? "," : "";
    if (io.json) io.write(lead + batch.map((row) => JSON.stringify(view.json(row))).join(","));
    else if (batch.length > 0 || written === 0) io.write(table(batch.map(view.cells)));
    written += batch.length;
    batch = [];
  };
  for (const row of rows) if (batch.push(row) === AT_ONCE) write();
  write();
  if (!io.json) return written;
  const rest = Object.entries(document.rest?.() ?? {}).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  io.write(`]${rest.join("")}}\n`);
  return written;
}

/** What rows were sorted by, as a document shows it: JSON has no infinities. */
export function spelled(value: number | string | null): number | string | null {
  return typeof value === "number" && !Number.isFinite(value) ? (value > 0 ? "Infinity" : "-Infinity") : value;
}
