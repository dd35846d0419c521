import { formatBytes } from "../domain/quantity.ts";
import type { GcPlan } from "../gc/gc-plan.ts";
import type { Swept } from "../gc/swept.ts";
import { table } from "./table.ts";

/** Lines of each rule, of what is kept, and so on; `--json` has all. */
const SHOWN = 20;

/** The plan as people read it: by rule, with totals, and what is kept. */
export function renderPlan(plan: GcPlan): string {
  const rules = [...new Set(plan.items.map((item) => item.rule))];
  const rows = rules.flatMap((rule) => {
    const items = plan.items.filter((item) => item.rule === rule);
    const shown = items
      .slice(0, SHOWN)
      .map((item) => [
        rule,
        item.what,
        formatBytes(item.bytes),
        item.bytes_after_repacking > 0 ? formatBytes(item.bytes_after_repacking) : "-",
        item.why,
      ]);
    return items.length > SHOWN ? [...shown, [rule, `… and ${items.length - SHOWN} more`, "", "", ""]] : shown;
  });
  return [
    table(["RULE", "WHAT", "FREES", "AFTER REPACKING", "WHY"], rows, "nothing to delete"),
    keptAndMissing(plan),
    section(
      "packs that are more than half dead are written anew",
      plan.repack.map((pack) => `${pack.path}: ${formatBytes(pack.bytes)} become ${formatBytes(pack.live)}`),
    ),
    totals(plan),
  ].join("");
}

function keptAndMissing({ kept, missing }: GcPlan): string {
  return [
    section(
      "kept although a rule condemns it",
      kept.map(({ what, because, rule }) => `${what}: ${because} (${rule})`),
    ),
    section(
      "rows whose files are gone (coffer verify tells more)",
      missing.map(({ path, digest }) => `${path} ${digest}`),
    ),
  ].join("");
}

/** What a sweep did. */
export function renderSwept({ applied: swept, ...plan }: GcPlan & { applied: Swept }): string {
  return [
    table(
      ["DELETED", "WHAT", "BYTES"],
      swept.deleted.map((one) => [one.kind, one.what, one.bytes > 0 ? formatBytes(one.bytes) : "-"]),
      "nothing was deleted",
    ),
    section(
      "stayed, since something changed after the plan was made",
      swept.stayed.map((one) => `${one.what}: ${one.because}`),
    ),
    keptAndMissing(plan),
    section(
      "packs that were written anew",
      swept.repacked.map((pack) => `${pack.from} → ${pack.to}: ${formatBytes(pack.before)} became ${formatBytes(pack.after)}`),
    ),
    `\n${swept.deleted.length} deleted, ${formatBytes(swept.freed)} freed${swept.failed.length > 0 ? `, ${swept.failed.length} could not be deleted` : ""}\n`,
    limit(plan),
  ].join("");
}

function totals(plan: GcPlan): string {
  const { items, bytes, bytes_after_repacking: later } = plan.totals;
  const alone = plan.items.reduce((sum, item) => sum + item.bytes + item.bytes_after_repacking, 0);
  const shared = bytes + later - alone;
  return [
    `\n${items} to delete: ${formatBytes(bytes)} at once${later > 0 ? `, ${formatBytes(later)} after repacking` : ""}`,
    shared > 0 ? ` (${formatBytes(shared)} of it shared among them)\n` : "\n",
    limit(plan),
  ].join("");
}

function limit({ limit: size }: Pick<GcPlan, "limit">): string {
  if (!size) return "";
  if (size.met) return `stored: ${formatBytes(size.stored)}, then ${formatBytes(size.after)} (limit ${formatBytes(size.bytes)})\n`;
  return `the limit of ${formatBytes(size.bytes)} cannot be met: ${formatBytes(size.after)} are protected\n`;
}

function section(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  const shown = lines.slice(0, SHOWN).map((line) => `  ${line}\n`);
  return [`\n${title}:\n`, ...shown, lines.length > SHOWN ? `  … and ${lines.length - SHOWN} more\n` : ""].join("");
}
