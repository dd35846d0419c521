import { median } from "./measure.ts";
import type { Sample } from "./measure.ts";
import { spellMemory, spellSample, spellTime } from "./spell.ts";
import type { Goal, Subject } from "./subject.ts";

/** One line of a table. What it is about comes first; there may be several lines about one. */
export interface Row {
  what: string;
  cells: readonly string[];
}

export interface Table {
  /** Of the section that it stands in. */
  title: string;
  head: readonly string[];
}

export const GOALS: Table = { title: "Goals", head: ["", "coffer", "reference", "result", "goal", "", "peak memory"] };
export const PEERS: Table = { title: "Others beside it", head: ["", "", "time", "× the reference", "× coffer", "peak memory"] };

/** More is a failure, unless the subject has a limit of its own. */
const MOST_MEMORY = 120e6;

export function makeRow(subject: Subject, samples: Record<string, Sample>): Row & { met: boolean } {
  const [ours, theirs] = [samples["coffer"], samples["reference"]] as [Sample, Sample];
  const [time, base] = [median(ours.milliseconds), median(theirs.milliseconds)];
  const { reached, result } = compare(subject.goal, time, base, ours.peakBytes);
  const most = subject.memory ?? MOST_MEMORY;
  const met = reached && ("memory" in subject.goal || ours.peakBytes <= most);
  const verdict = met ? "met" : reached ? `MISSED: memory, ${spellMemory(most)}` : "MISSED";
  return {
    what: subject.what,
    cells: [
      spellSample(ours),
      `${spellSample(theirs)} (${subject.reference})`,
      `**${result}**`,
      spellGoal(subject.goal),
      verdict,
      spellMemory(ours.peakBytes),
    ],
    met,
  };
}

/** A line for everybody who was measured beside coffer and the reference. */
export function peerRows(subject: Subject, samples: Record<string, Sample>): Row[] {
  const { coffer, reference, ...peers } = samples;
  const times = (one: Sample, other: Sample | undefined): string =>
    other === undefined ? "" : `${Number((median(one.milliseconds) / median(other.milliseconds)).toPrecision(2))} ×`;
  return Object.entries(peers).map(([title, sample]) => ({
    what: subject.what,
    cells: [title, spellSample(sample), times(sample, reference), times(sample, coffer), spellMemory(sample.peakBytes)],
  }));
}

/** Markdown. */
export function renderTable({ head }: Table, rows: readonly Row[]): string {
  return [renderLine(head), `|${"---|".repeat(head.length)}`, ...rows.map(renderRow)].join("\n");
}

export function renderRow({ what, cells }: Row): string {
  return renderLine([what, ...cells]);
}

/** The table as it is in a page, with rows made anew; of other subjects the rows that it has. Behind what each is about stands how the subject is called. */
export function mergeRows(table: Table, subjects: readonly Subject[], page: string, rows: readonly Row[]): string {
  const old = readRows(table, page);
  const merged = subjects.flatMap(({ name, what }) => {
    const own = rows.filter((row) => row.what === what);
    const kept = own.length > 0 ? own : old.filter((row) => row.what === what);
    return kept.map(({ cells }) => ({ what: `${what} (\`${name}\`)`, cells }));
  });
  return merged.length > 0 ? renderTable(table, merged) : "Not measured yet.";
}

function renderLine(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === "" ? " |" : ` ${cell} |`)).join("")}`;
}

/** Of the section with the table's title. */
function readRows({ title, head }: Table, page: string): Row[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| ") && line.endsWith(" |"));
  return lines
    .map((line) => line.slice(2, -2).split(" | "))
    .filter((cells) => cells.length === head.length)
    .map(([what = "", ...cells]) => ({ what: what.replace(/ \(`[a-z-]+`\)$/, ""), cells }));
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
