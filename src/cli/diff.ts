import { formatBytes, formatDuration } from "../domain/quantity.ts";
import type { RunSummary } from "../registry/describe-run.ts";
import { diffRuns } from "../registry/diff.ts";
import type { BytesDiff, MetricDiff, RunDiff, Side, ValueDiff } from "../registry/diff.ts";
import { resolveRun } from "../registry/resolve.ts";
import { command } from "./command.ts";
import { table } from "./table.ts";

const WIDTH = 60;

export default command(
  {
    positionals: [
      { name: "LEFT", description: "a run: the beginning of its id, or its name", required: true },
      { name: "RIGHT", description: "another run", required: true },
    ],
    flags: { all: { type: "boolean", description: "also what is the same in both" } },
    about: `What differs between two runs: command, code, params, metrics, tags, inputs, artifacts (by their path in the run), environment, configuration. What a commit did not
have, each run kept as its code.tar, which is compared like the other artifacts. Exits with 0 whatever differs.`,
    examples: [
      ["coffer diff 0192f3 0192f7", "two runs by the beginning of their ids"],
      ["coffer diff baseline candidate --json", "the newest runs of two names, for a script"],
    ],
    exits: { "4": "a run does not exist" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const [left, right] = positionals.map((ref) => resolveRun(store, ref)) as [
      Parameters<typeof diffRuns>[1],
      Parameters<typeof diffRuns>[1],
    ];
    const all = diffRuns(store, left, right);
    io.print({ schema: "coffer.diff/1", ...(flags.all ? all : onlyDifferent(all)), same: countSame(all) }, render);
  },
);

type Shown = RunDiff & { same: number };

function onlyDifferent(diff: RunDiff): RunDiff {
  const values = <D extends ValueDiff>(entries: readonly D[]): D[] => entries.filter((entry) => !entry.same);
  const bytes = (entries: readonly BytesDiff[]): BytesDiff[] => entries.filter((entry) => entry.change !== "same");
  return {
    left: diff.left,
    right: diff.right,
    about: values(diff.about),
    code: values(diff.code),
    params: values(diff.params),
    metrics: values(diff.metrics),
    tags: values(diff.tags),
    inputs: bytes(diff.inputs),
    artifacts: bytes(diff.artifacts),
    environment: values(diff.environment),
    configuration: values(diff.configuration),
  };
}

function countSame(diff: RunDiff): number {
  const values = [diff.about, diff.code, diff.params, diff.metrics, diff.tags, diff.environment, diff.configuration].flat();
  return (
    values.filter((entry) => entry.same).length + [...diff.inputs, ...diff.artifacts].filter((entry) => entry.change === "same").length
  );
}

function render(diff: Shown): string {
  const sections = [
    valueTable("ABOUT", diff.about),
    valueTable("CODE", diff.code),
    valueTable("PARAM", diff.params),
    metricTable(diff.metrics),
    valueTable("TAG", diff.tags),
    bytesTable("INPUT", diff.inputs),
    bytesTable("ARTIFACT", diff.artifacts),
    valueTable("ENVIRONMENT", diff.environment),
    valueTable("CONFIGURATION", diff.configuration),
  ].filter((section) => section !== "");
  const head = table(["", "RUN", "NAME", "STATE", "STARTED (UTC)", "TOOK"], [runRow("left", diff.left), runRow("right", diff.right)], "");
  return [head, ...(sections.length > 0 ? sections : ["nothing differs\n"])].join("\n");
}

function runRow(side: string, run: RunSummary): string[] {
  const took = run.seconds === null ? "" : formatDuration(run.seconds * 1000);
  return [side, run.id, run.name ?? "", run.state, run.started_at.slice(0, 19).replace("T", " "), took];
}

function valueTable(title: string, entries: readonly ValueDiff[]): string {
  return section(
    [title, "LEFT", "RIGHT"],
    entries.map((entry) => [entry.key, spell(entry.left), spell(entry.right)]),
  );
}

function metricTable(entries: readonly MetricDiff[]): string {
  const signed = (value: number): string => `${value > 0 ? "+" : ""}${Number(value.toPrecision(6))}`;
  return section(
    ["METRIC", "LEFT", "RIGHT", "DIFFERENCE"],
    entries.map((entry) => [entry.key, spell(entry.left), spell(entry.right), entry.difference === null ? "" : signed(entry.difference)]),
  );
}

function bytesTable(title: string, entries: readonly BytesDiff[]): string {
  return section(
    [title, "LEFT", "RIGHT", ""],
    entries.map((entry) => [entry.key, spellSide(entry.left), spellSide(entry.right), entry.change]),
  );
}

function section(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? "" : table(head, rows, "");
}

function spell(value: unknown): string {
  if (value === null) return "-";
  const text = Array.isArray(value) ? value.map(String).join(" ") : String(value);
  return text.length > WIDTH ? `${text.slice(0, WIDTH - 1)}…` : text;
}

function spellSide(side: Side | null): string {
  return side === null ? "-" : `${formatBytes(side.size)} ${side.digest.replace(/^.*:/, "").slice(0, 8)}`;
}
