import { formatBytes, formatDuration } from "../domain/quantity.ts";
import type { GcPlan } from "../gc/gc-plan.ts";
import { itemsOf, keptOf } from "../gc/gc-plan.ts";
import type { Orphans } from "../gc/orphans.ts";
import type { Swept } from "../gc/swept.ts";
import { section } from "./gc-text.ts";
import { table } from "./table.ts";

/** What nothing names, as `artifacts list-orphaned` and `artifacts cleanup` show it. */
export interface OrphansDocument {
  schema: "coffer.orphans/1";
  dataset: string | null;
  /** Milliseconds. */
  grace: number;
  items: { kind: string; what: string; why: string; bytes: number; bytes_after_repacking: number }[];
  kept: { what: string; because: string }[];
  stopped: GcPlan["stopped"];
  missing: GcPlan["missing"];
  totals: { items: number; bytes: number; bytes_after_repacking: number };
  applied: Swept | null;
}

export function orphansDocument(plan: GcPlan): OrphansDocument {
  const { items, bytes, bytes_after_repacking } = plan.totals;
  return {
    schema: "coffer.orphans/1",
    dataset: plan.scope.dataset,
    grace: plan.rules.grace,
    items: [...itemsOf(plan)].map((item) => ({
      kind: item.kind,
      what: item.what,
      why: item.why,
      bytes: item.bytes,
      bytes_after_repacking: item.bytes_after_repacking,
    })),
    kept: [...keptOf(plan)].map(({ what, because }) => ({ what, because })),
    stopped: plan.stopped,
    missing: plan.missing,
    totals: { items, bytes, bytes_after_repacking },
    applied: null,
  };
}

/** Every line, with its size: nothing is cut short of what would be deleted. */
export function renderOrphans({ items, kept, stopped, missing, totals, applied, grace }: OrphansDocument): string {
  const gone = applied && new Set(applied.deleted.map(({ what }) => what));
  const lines = gone ? items.filter(({ what }) => gone.has(what)) : items;
  const bytes = lines.reduce((sum, item) => sum + item.bytes, 0);
  const later = totals.bytes_after_repacking > 0 ? `, ${formatBytes(totals.bytes_after_repacking)} after repacking` : "";
  return [
    table(
      [applied ? "DELETED" : "KIND", "WHAT", "BYTES", "WHY"],
      lines.map((item) => [item.kind, item.what, String(item.bytes + item.bytes_after_repacking), item.why]),
      applied ? "nothing was deleted" : `nothing is orphaned for longer than ${formatDuration(grace)}`,
    ),
    section(
      "gc is stopped",
      stopped.map(({ because }) => because),
    ),
    section(
      "kept for now",
      kept.map(({ what, because }) => `${what}: ${because}`),
    ),
    section("stayed, since something changed meanwhile", applied?.stayed.map(({ what, because }) => `${what}: ${because}`) ?? []),
    section(
      "rows whose files are gone; they stay, and coffer verify tells more",
      missing.map((row) => `${row.path} ${row.digest} (${row.bytes} bytes)`),
    ),
    `\n${lines.length} ${applied ? "deleted" : "orphaned"}: ${formatBytes(bytes)}${later}\n`,
  ].join("");
}

/** `2 files (1.4 MiB), 0 blobs without an artifact, 0 rows whose files are gone`. */
export function orphanWords({ files, bytes, blobs, missing }: Orphans): string {
  return `${files} files (${formatBytes(bytes)}), ${blobs} blobs without an artifact, ${missing} rows whose files are gone`;
}
