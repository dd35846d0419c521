import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { numbersFrom } from "../../scripts/soak/random.ts";
import { stableDump } from "../manifest/stable-dump.ts";
import { coffer } from "../support/coffer.ts";
import { diskAfter } from "./crash.ts";
import type { Variant } from "./crash.ts";
import { fingerprint, layOut } from "./lay-out.ts";
import type { Recording } from "./recording.ts";
import { SOURCES } from "./sources.ts";
import type { Image } from "../support/disk/image.ts";

/** A moment at which the machine stops, and what of it the disk holds. */
export interface Cut {
  at: number;
  variant: Variant;
  image: Image;
}

/** What a store says that must outlive a crash. `runs` holds identity and end. */
interface View {
  rows: Set<string>;
  runs: Map<string, string>;
}

const SAID = ["artifacts", "artifact_tags", "aliases", "pins", "edges", "params", "tags", "metric_points", "run_inputs"] as const;

function viewOf(database: string): View {
  const dump = stableDump(database);
  const rows = new Set(SAID.flatMap((table) => (dump[table] ?? []).map((row) => `${table} ${row}`)));
  const runs = new Map(
    (dump["runs"] ?? []).map((row) => {
      const [, id, , , , state, , code] = JSON.parse(row) as [number, string, unknown, unknown, unknown, string, unknown, unknown];
      return [id, `${state} ${code}`];
    }),
  );
  return { rows, runs };
}

/** What the store said after each step; the first is what it said before. Each is what the disk held when nothing was lost. */
export function expectations({ operations, from, ends }: Recording): View[] {
  return [from, ...ends].map((cut) => {
    using disk = layOut(diskAfter(operations, cut, "all"));
    const database = join(disk.path, "store/coffer.db");
    return existsSync(database) ? viewOf(database) : { rows: new Set<string>(), runs: new Map<string, string>() };
  });
}

/**
 * Disks that a crash may leave, each once: all that differ by what was flushed alone, and as many `others` as are asked for, by chance (the same for a seed). A cut in
 * the midst of writes to one file is one of these as well.
 */
export function* cuts({ operations, from, ends }: Recording, others: number, seed: number): Generator<Cut> {
  const seen = new Set<string>();
  const isNew = ({ at, image }: Cut): boolean => {
    // what is expected differs once a step has ended
    const key = `${fingerprint(image)} ${ends.includes(at)}`;
    return !seen.has(key) && seen.add(key) !== undefined;
  };
  const places = Array.from({ length: operations.length - from + 1 }, (_, index) => from + index);
  for (const at of places) {
    if (at !== from && operations[at - 1]?.op !== "sync" && !ends.includes(at)) continue;
    const cut: Cut = { at, variant: "durable", image: diskAfter(operations, at, "durable") };
    if (isNew(cut)) yield cut;
  }
  const chance = numbersFrom(seed);
  const rest = places.flatMap((at) => (["names", "holes", "all", seed + 1, seed + 2] as const).map((variant) => ({ at, variant })));
  for (let found = 0; found < others && rest.length > 0;) {
    const [{ at, variant }] = rest.splice(Math.floor(chance() * rest.length), 1) as [(typeof rest)[number]];
    const cut: Cut = { at, variant, image: diskAfter(operations, at, variant) };
    if (!isNew(cut)) continue;
    found++;
    yield cut;
  }
}

/**
 * Opens the store that a cut leaves with the compiled binary, as whoever comes next does. Returns what is wrong; nothing where all that had been acknowledged is
 * there, whole, nothing half-done shows, and work goes on.
 */
export async function faultsAfter(
  recording: Recording,
  expected: readonly View[],
  { at, image }: Cut,
  thorough: boolean,
): Promise<string[]> {
  using disk = layOut(image);
  const root = join(disk.path, "store");
  const { ends, scenario } = recording;
  const step = ends.filter((end) => end <= at).length;
  const [before, after] = [expected[step] as View, expected[step + 1] ?? (expected[step] as View)];
  const faults: string[] = [];
  const run = async (...args: string[]): Promise<void> => {
    const { code, stderr, stdout } = await coffer(args, { root, cwd: disk.path });
    if (code !== 0) faults.push(`coffer ${args.join(" ")} ended with ${code}: ${stderr} ${stdout}`.trim());
  };
  writeFileSync(join(disk.path, "next"), "what comes next");
  const wasStore = before.rows.size > 0;
  if (!wasStore) await run("log", "next", "--name", "next");
  // what had not ended is simply done again
  if (scenario.mend && step < ends.length) await run(...scenario.mend.map((word) => (word === SOURCES ? recording.sources : word)));
  await run("runs");
  if (faults.length > 0) return faults;
  const view = viewOf(join(root, "coffer.db"));
  const due = scenario.commits && recording.operations.slice(ends[step - 1] ?? recording.from, at).some(scenario.commits);
  if (wasStore) faults.push(...differences(view, before, after, { wholly: scenario.wholly, due: due ?? false }));
  await run("verify");
  if (!thorough) return faults;
  await run("log", "next", "--name", "next");
  await run("gc", "--grace", "0", "--apply", "--yes");
  await run("verify");
  const left = existsSync(join(root, "tmp")) ? readdirSync(join(root, "tmp")) : [];
  if (left.length > 0) faults.push(`tmp still holds ${left.join(", ")}`);
  return faults;
}

function differences(view: View, before: View, after: View, { wholly, due }: { wholly: boolean; due: boolean }): string[] {
  const wrong: string[] = [];
  const has = (one: View, row: string) => one.rows.has(row);
  for (const row of before.rows) if (has(after, row) && !has(view, row)) wrong.push(`lost: ${row}`);
  // a run that was cut off is closed by whoever comes next, with what it left
  const adopted = [...view.runs].filter(([id, end]) => !before.runs.has(id) && after.runs.get(id) !== end).map(([id]) => id);
  const isAdopted = (row: string) => adopted.some((id) => row.includes(id));
  for (const row of view.rows) if (!has(before, row) && !has(after, row) && !isAdopted(row)) wrong.push(`came from nowhere: ${row}`);
  for (const [id, end] of before.runs)
    if (view.runs.get(id) !== end && after.runs.get(id) === end) wrong.push(`run ${id} is ${view.runs.get(id)}, not ${end}`);
  const added = [...after.rows].filter((row) => !has(before, row));
  const arrived = added.filter((row) => has(view, row));
  if (due && arrived.length < added.length) wrong.push(`gone from where it was, and not recorded: ${added.find((row) => !has(view, row))}`);
  if (wholly && arrived.length > 0 && arrived.length < added.length)
    wrong.push(`half of a step: without ${added.find((row) => !has(view, row))}`);
  return wrong;
}

/** Tries each of these cuts, some at a time; every tenth of them thoroughly. Returns what went wrong, with all that it takes to see it again. */
export async function tryAll(recording: Recording, tried: Iterable<Cut>): Promise<string[]> {
  const expected = expectations(recording);
  const waiting = [...tried];
  const wrong: string[] = [];
  const work = async (): Promise<void> => {
    for (let cut = waiting.pop(); cut; cut = waiting.pop()) {
      const faults = await faultsAfter(recording, expected, cut, waiting.length % 10 === 0);
      const { op, path } = recording.operations[cut.at - 1] ?? { op: "nothing", path: "" };
      if (faults.length > 0) wrong.push([`${cut.variant} after ${cut.at} operations, the last a ${op} of ${path}`, ...faults].join("\n  "));
    }
  };
  await Promise.all([work(), work(), work()]);
  return wrong;
}

/** What `coffer rebuild` makes where the database is lost as well, once a step has ended. */
export async function faultsWithoutDatabase(image: Image, expected: View): Promise<string[]> {
  using disk = layOut(image);
  const root = join(disk.path, "store");
  for (const end of ["", "-wal"]) rmSync(join(root, `coffer.db${end}`), { force: true });
  const { code, stderr } = await coffer(["rebuild"], { root, cwd: disk.path });
  if (code !== 0) return [`coffer rebuild ended with ${code}: ${stderr}`];
  const view = viewOf(join(root, "coffer.db"));
  return [...expected.rows].filter((row) => !view.rows.has(row)).map((row) => `not rebuilt: ${row}`);
}
