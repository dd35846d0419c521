import { countOf, formatBytes, formatDuration } from "../../domain/quantity.ts";
import type { GcItem, GcPlan, GcRule } from "../../gc/plan/gc-plan.ts";
import type { Swept } from "../../gc/apply/swept.ts";
import { growingTable, table } from "../table.ts";

/** Lines of each rule, of what is kept, and so on; `--json` has all. */
const SHOWN = 20;

/** The plan as people read it: by rule, with totals, and what is kept. */
export function renderPlan(plan: GcPlan): string {
  const groups = groupsOf(plan);
  const rows = groups.flatMap(({ rule, count, first }) => {
    const shown = first.map((item) => [
      rule,
      item.what,
      formatBytes(item.bytes),
      item.bytes_after_repacking > 0 ? formatBytes(item.bytes_after_repacking) : "-",
      item.why,
    ]);
    return count > first.length ? [...shown, [rule, `… and ${count - first.length} more`, "", "", ""]] : shown;
  });
  return [
    table(["RULE", "WHAT", "FREES", "AFTER REPACKING", "WHY"], rows, "nothing to delete"),
    renderKept(plan),
    section(
      "packs that are more than half dead are written anew",
      plan.repack.map((pack) => `${pack.path}: ${formatBytes(pack.bytes)} become ${formatBytes(pack.live)}`),
    ),
    totals(plan, groups),
    waiting(plan),
  ].join("");
}

interface Group {
  rule: GcRule;
  count: number;
  first: GcItem[];
}

function groupsOf({ artifacts, blobs, others }: GcPlan): Group[] {
  const rest = [...Map.groupBy(others, (item) => item.rule)].map(([rule, items]) => ({
    rule,
    count: items.length,
    first: items.slice(0, SHOWN),
  }));
  return [...artifacts.byRule(SHOWN), ...blobs.byRule(SHOWN), ...rest];
}

/** What is kept although a rule condemns it, why gc stopped, and rows whose files are gone. */
function renderKept({ keptArtifacts, keptOthers, missing, stopped, scope }: GcPlan): string {
  const first = [...keptArtifacts.first(SHOWN), ...keptOthers].slice(0, SHOWN);
  return [
    section(
      "gc is stopped",
      stopped.map(({ because }) => because),
    ),
    section(
      scope.part === "purge" ? "kept" : "kept although a rule condemns it",
      first.map(({ what, because, rule }) => `${what}: ${because}${scope.part === "purge" ? "" : ` (${rule})`}`),
      keptArtifacts.count + keptOthers.length,
    ),
    section(
      "rows whose files are gone (coffer verify tells more)",
      missing.map(({ path, digest, bytes }) => `${path} ${digest} (${formatBytes(bytes)})`),
    ),
  ].join("");
}

const LINES_AT_ONCE = 1000;

/** What a sweep did. In pieces: hundreds of thousands of lines take more memory at once than the sweep. */
export function* renderSwept(plan: GcPlan, swept: Swept): Generator<string> {
  const lines = growingTable(["DELETED", "WHAT", "BYTES", "WHY"], "nothing was deleted");
  for (let at = 0; at === 0 || at < swept.deleted.length; at += LINES_AT_ONCE)
    yield lines(
      swept.deleted.slice(at, at + LINES_AT_ONCE).map((one) => [one.kind, one.what, one.bytes > 0 ? formatBytes(one.bytes) : "-", one.why]),
    );
  yield [
    section(
      "stayed, since something changed after the plan was made",
      swept.stayed.map((one) => `${one.what}: ${one.because}`),
    ),
    renderKept(plan),
    section(
      "packs that were written anew",
      swept.repacked.map((pack) => `${pack.from} → ${pack.to}: ${formatBytes(pack.before)} became ${formatBytes(pack.after)}`),
    ),
    section(
      "moved to the datasets that use them",
      bySource(swept.rehoused, ({ to }) => to).map(({ from, to, blobs, bytes }) => `${blobs} of ${from} → ${to}: ${formatBytes(bytes)}`),
    ),
    `\n${summed(swept)}\n`,
    limit(plan),
    waiting(plan),
  ].join("");
}

function totals(plan: GcPlan, groups: readonly Group[]): string {
  const { items, bytes, bytes_after_repacking: later } = plan.totals;
  const shown = groups.flatMap(({ first }) => first);
  // where not all lines are there, nobody adds them up
  const alone = shown.length < items ? Infinity : shown.reduce((sum, item) => sum + item.bytes + item.bytes_after_repacking, 0);
  const shared = bytes + later - alone;
  return [
    `\n${items} to delete: ${formatBytes(bytes)} at once${later > 0 ? `, ${formatBytes(later)} after repacking` : ""}`,
    shared > 0 ? ` (${formatBytes(shared)} of it shared among them)\n` : "\n",
    limit(plan),
  ].join("");
}

/** Counted as in the plan: what went along with an item is told beside. */
function summed({ deleted, freed, failed }: Swept): string {
  const along = Map.groupBy(
    deleted.filter(({ planned }) => !planned),
    ({ kind }) => (kind === "cache" ? "cached file" : kind),
  );
  return [
    `${deleted.filter(({ planned }) => planned).length} deleted, ${formatBytes(freed)} freed`,
    failed.length > 0 ? `, ${failed.length} could not be deleted` : "",
    along.size > 0 ? `; with that went ${[...along].map(([kind, all]) => countOf(all.length, kind)).join(", ")}` : "",
  ].join("");
}

/** What `rm` took away and the grace keeps. */
function waiting({ waiting: { items, first, last }, rules }: GcPlan): string {
  if (items === 0 || first === null || last === null) return "";
  const [from, until] = [minute(first), minute(last)];
  const when = from === until ? `until ${until}` : `until ${from} to ${until}`;
  return `${items} more ${items === 1 ? "waits" : "wait"} ${when} (grace ${formatDuration(rules.grace)}; --grace 0 takes ${items === 1 ? "it" : "them"} now)\n`;
}

/** `2026-05-04T18:37Z`, the first one that is not before it. */
function minute(at: number): string {
  return `${new Date(Math.ceil(at / 60_000) * 60_000).toISOString().slice(0, 16)}Z`;
}

function limit({ limit: size }: Pick<GcPlan, "limit">): string {
  if (!size) return "";
  if (size.met) return `stored: ${formatBytes(size.stored)}, then ${formatBytes(size.after)} (limit ${formatBytes(size.bytes)})\n`;
  return `the limit of ${formatBytes(size.bytes)} cannot be met: ${formatBytes(size.after)} are protected\n`;
}

/** What moves, by the file that it comes from: a pack has many. */
export function bySource<T extends { from: string; bytes: number }>(
  moving: readonly T[],
  to: (one: T) => string,
): { from: string; to: string; blobs: string; bytes: number }[] {
  return [...Map.groupBy(moving, (one) => JSON.stringify([one.from, to(one)])).values()].map((group) => {
    const first = group[0] as T;
    return {
      from: first.from,
      to: to(first),
      blobs: countOf(group.length, "blob"),
      bytes: group.reduce((sum, one) => sum + one.bytes, 0),
    };
  });
}

export function section(title: string, lines: readonly string[], count = lines.length): string {
  if (count === 0) return "";
  const shown = lines.slice(0, SHOWN).map((line) => `  ${line}\n`);
  return [`\n${title}:\n`, ...shown, count > shown.length ? `  … and ${count - shown.length} more\n` : ""].join("");
}
