import { formatBytes, formatDuration } from "../../domain/quantity.ts";
import type { GcItem, GcPlan } from "../../gc/plan/gc-plan.ts";
import { itemsOf, keptOf } from "../../gc/plan/gc-plan.ts";
import type { Orphans } from "../../gc/plan/orphans.ts";
import type { Swept } from "../../gc/apply/swept.ts";
import { section } from "../gc/text.ts";
import type { Io } from "../io.ts";
import { streamJson } from "../stream-json.ts";
import { growingTable } from "../table.ts";

type OrphanItem = Pick<GcItem, "kind" | "what" | "why" | "bytes" | "bytes_after_repacking">;

/** What nothing names, as `artifacts list-orphaned` and `artifacts cleanup` show it. */
export interface OrphansDocument {
  schema: "coffer.orphans/1";
  dataset: string | null;
  /** Milliseconds. */
  grace: number;
  items: Iterable<OrphanItem>;
  kept: Iterable<{ what: string; because: string }>;
  stopped: GcPlan["stopped"];
  missing: GcPlan["missing"];
  totals: { items: number; bytes: number; bytes_after_repacking: number };
  applied: Swept | null;
}

/** Its items are read one by one, each time anew, until the plan is applied. */
export function orphansDocument(plan: GcPlan): OrphansDocument {
  const { items, bytes, bytes_after_repacking } = plan.totals;
  return {
    schema: "coffer.orphans/1",
    dataset: plan.scope.dataset,
    grace: plan.rules.grace,
    items: { [Symbol.iterator]: () => itemsOf(plan).map(shownItem) },
    kept: { [Symbol.iterator]: () => keptOf(plan).map(({ what, because }) => ({ what, because })) },
    stopped: plan.stopped,
    missing: plan.missing,
    totals: { items, bytes, bytes_after_repacking },
    applied: null,
  };
}

function shownItem({ kind, what, why, bytes, bytes_after_repacking }: GcItem): OrphanItem {
  return { kind, what, why, bytes, bytes_after_repacking };
}

/** Shows it, line by line. */
export function printOrphans(io: Io, document: OrphansDocument): void {
  if (io.json) streamJson(document, io.write);
  else for (const piece of render(document)) io.write(piece);
}

const AT_ONCE = 1000;

/** Every line, with its size: nothing is cut short of what would be deleted. */
function* render({ items, kept, stopped, missing, totals, applied, grace }: OrphansDocument): Generator<string> {
  const gone = applied && new Set(applied.deleted.map(({ what }) => what));
  const head = [applied ? "DELETED" : "KIND", "WHAT", "BYTES", "WHY"];
  const table = growingTable(head, applied ? "nothing was deleted" : `nothing is orphaned for longer than ${formatDuration(grace)}`);
  let rows: string[][] = [];
  let count = 0;
  let sum = 0;
  for (const { kind, what, why, bytes, bytes_after_repacking: later } of items) {
    if (gone?.has(what) === false) continue;
    count++;
    sum += bytes;
    if (rows.push([kind, what, String(bytes + later), why]) < AT_ONCE) continue;
    yield table(rows);
    rows = [];
  }
  if (rows.length > 0 || count === 0) yield table(rows);
  const later = totals.bytes_after_repacking > 0 ? `, ${formatBytes(totals.bytes_after_repacking)} after repacking` : "";
  yield [
    section(
      "gc is stopped",
      stopped.map(({ because }) => because),
    ),
    section(
      "kept for now",
      Array.from(kept, ({ what, because }) => `${what}: ${because}`),
    ),
    section("stayed, since something changed meanwhile", applied?.stayed.map(({ what, because }) => `${what}: ${because}`) ?? []),
    section(
      "rows whose files are gone; they stay, and coffer verify tells more",
      missing.map((row) => `${row.path} ${row.digest} (${row.bytes} bytes)`),
    ),
    `\n${count} ${applied ? "deleted" : "orphaned"}: ${formatBytes(sum)}${later}\n`,
  ].join("");
}

/** `2 files (1.4 MiB), 0 blobs without an artifact, 0 rows whose files are gone`. */
export function orphanWords({ files, bytes, blobs, missing }: Orphans): string {
  return `${files} files (${formatBytes(bytes)}), ${blobs} blobs without an artifact, ${missing} rows whose files are gone`;
}
