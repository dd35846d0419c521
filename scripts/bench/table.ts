import { median } from "./measure.ts";
import type { Sample } from "./measure.ts";
import type { Goal, Subject } from "./subject.ts";

export interface Row {
  what: string;
  coffer: string;
  reference: string;
  result: string;
  goal: string;
  met: boolean;
  peakBytes: number;
}

const HEAD = ["| | coffer | reference | result | goal | | peak memory |", "|---|---|---|---|---|---|---|"];

/** More is a failure, unless the subject has a limit of its own. */
const MOST_MEMORY = 150e6;

export function makeRow(subject: Subject, samples: Record<string, Sample>): Row {
  const [ours, theirs] = [samples["coffer"], samples["reference"]] as [Sample, Sample];
  const [time, base] = [median(ours.milliseconds), median(theirs.milliseconds)];
  const { reached, result } = compare(subject.goal, time, base, ours.peakBytes);
  return {
    what: subject.what,
    coffer: spell(ours),
    reference: `${spell(theirs)} (${subject.reference})`,
    result,
    goal: spellGoal(subject.goal),
    met: reached && ("memory" in subject.goal || ours.peakBytes <= (subject.memory ?? MOST_MEMORY)),
    peakBytes: ours.peakBytes,
  };
}

/** Markdown. */
export function renderTable(rows: readonly Row[]): string {
  return [...HEAD, ...rows.map(renderRow)].join("\n");
}

/** The table of a page with rows measured anew; of other subjects the rows that it has. */
export function mergeRows(subjects: readonly Subject[], page: string, rows: readonly Row[]): string {
  const old = page.split("\n").filter((line) => line.startsWith("| "));
  const lines = subjects.flatMap(({ what }) => {
    const row = rows.find((measured) => measured.what === what);
    return row ? [renderRow(row)] : old.filter((line) => line.startsWith(`| ${what} |`));
  });
  return [...HEAD, ...lines].join("\n");
}

function renderRow(row: Row): string {
  return `| ${row.what} | ${row.coffer} | ${row.reference} | **${row.result}** | ${row.goal} | ${row.met ? "met" : "MISSED"} | ${spellMemory(row.peakBytes)} |`;
}

function compare(goal: Goal, time: number, base: number, peak: number): { reached: boolean; result: string } {
  if ("memory" in goal) return { reached: peak <= goal.memory, result: spellMemory(peak) };
  if ("faster" in goal) return { reached: base / time >= goal.faster, result: `${(base / time).toFixed(2)} × as fast` };
  if ("most" in goal) return { reached: time <= goal.most, result: spellTime(time) };
  if ("times" in goal) return { reached: time / base <= goal.times, result: `${(time / base).toFixed(2)} ×` };
  return { reached: time - base <= goal.more, result: `${time < base ? "−" : "+"}${Math.abs(time - base).toFixed(1)} ms` };
}

function spellGoal(goal: Goal): string {
  if ("most" in goal) return spellTime(goal.most);
  if ("memory" in goal) return spellMemory(goal.memory);
  if ("faster" in goal) return `${goal.faster} × as fast`;
  return "times" in goal ? `${goal.times} ×` : `+${goal.more} ms`;
}

function spellMemory(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

function spellTime(milliseconds: number): string {
  return milliseconds < 1000 ? `${Number(milliseconds.toFixed(1))} ms` : `${Number((milliseconds / 1000).toFixed(2))} s`;
}

/** The median, and the range in brackets. */
function spell({ milliseconds }: Sample): string {
  const [low, middle, high] = [Math.min(...milliseconds), median(milliseconds), Math.max(...milliseconds)];
  const [divisor, unit] = middle < 1000 ? [1, "ms"] : [1000, "s"];
  const digits = middle < 100 ? 1 : middle < 1000 ? 0 : 2;
  return `${(middle / divisor).toFixed(digits)} ${unit} [${(low / divisor).toFixed(digits)}–${(high / divisor).toFixed(digits)}]`;
}
