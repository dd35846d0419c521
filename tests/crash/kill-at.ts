import { Database } from "bun:sqlite";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "bun:test";
import type { VerifyReport } from "../../src/cli/verify/report.ts";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import type { SyncPoint } from "../../src/domain/sync-points.ts";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import { place } from "../cli/run-place.ts";
import type { Place } from "../cli/run-place.ts";
import { appears } from "../support/appears.ts";
import type { CofferResult } from "../support/coffer.ts";

/** A point, or the nth time that the command comes there. */
export type At = SyncPoint | `${SyncPoint}@${number}`;

/** A command that is killed at each of some points, each time in a new store, and then called again. */
export interface Scenario {
  title: string;
  prepare?: (here: Place) => Promise<unknown>;
  call: readonly string[];
  env?: (here: Place) => Record<string, string>;
  /** What the second call exits with, which may depend on what was to be seen before it; 0 unless said. */
  exit?: (after: unknown) => number;
  /** What can be seen of what the command does. */
  seen: (here: Place) => Promise<unknown>;
  /** Where it is killed, and what is to be seen after the next command. `inTurn`: one after the other in one store, since each of them leaves it as it was, or adds a run. */
  kills: readonly { at: readonly At[]; after: unknown; inTurn?: boolean }[];
  /** What is to be seen after the second call, which may depend on what was to be seen before it. */
  again: (after: unknown) => unknown;
  /** References that the command itself takes out of sight. */
  goes?: readonly string[];
  /** The store is damaged until the command has done its work. */
  isDamaged?: boolean;
  /** Something is read ahead, which is not done on every file system. */
  readsAhead?: boolean;
  /** What others do while the command stands still at a point before the one where it is killed. */
  meanwhile?: { at: SyncPoint; they: (here: Place) => Promise<unknown> };
  /** What somebody has to do before the next command, because the scenario broke the store. */
  mend?: (here: Place) => unknown;
}

/**
 * All that is acknowledged stays, what is not is wholly absent or wholly there, nothing is left lying about, and the second call does what the first one was to do.
 * Several points are those of calls that follow one another.
 */
export async function killAt(scenario: Scenario, points: readonly At[], after: unknown): Promise<void> {
  using here = place();
  await scenario.prepare?.(here);
  const before = await contents(here);
  for (const ref of scenario.goes ?? []) delete before[ref];
  const env = scenario.env?.(here) ?? {};
  for (const at of points) {
    expect([at, await killed(here, scenario, at, env)]).toEqual([at, "SIGKILL"]);
    if (!scenario.isDamaged) {
      await nextCommand(here, env);
      expect([at, await leftOver(here)]).toEqual([at, NOTHING_LEFT]);
      expect(await contents(here)).toMatchObject(before);
    }
    expect([at, await scenario.seen(here)]).toEqual([at, after]);
  }

  const again = await here.coffer(scenario.call, { env });
  const exit = scenario.exit?.(after) ?? 0;
  expect({ code: again.code, said: again.code === exit ? "" : again.stderr }).toEqual({ code: exit, said: "" });
  await nextCommand(here, env);
  expect(await scenario.seen(here)).toEqual(scenario.again(after));

  const swept = await here.coffer(["gc", "--apply", "--grace", "0", "--yes", "--quiet"], { env });
  expect([swept.code, swept.stderr]).toEqual([0, ""]);
  expect(await leftOver(here, true)).toEqual(NOTHING_LEFT);
  expect(await contents(here)).toMatchObject(before);
}

/** The signal that ended it, or what it said where none did. */
async function killed(here: Place, { call, meanwhile, mend }: Scenario, at: At, env: Record<string, string>): Promise<unknown> {
  const held = here.at("held");
  const armed = meanwhile ? `${meanwhile.at}=hold:${held},${at}=kill` : `${at}=kill`;
  const ending = here.coffer(call, { env: { ...env, [SYNC_POINTS_VARIABLE]: armed } });
  if (meanwhile) {
    await appears(`${held}.reached`, { exited: ending });
    await meanwhile.they(here);
    here.write("held", "");
  }
  const { signal, stderr } = await ending;
  await mend?.(here);
  return signal ?? stderr;
}

/** Any command, until no run is left whose child still has to end. */
export async function nextCommand(here: Place, env: Record<string, string> = {}): Promise<CofferResult> {
  for (;;) {
    const next = await here.coffer(["runs", "--json", "--limit", "0"], { env });
    if (next.code !== 0) {
      // a store that was never made is none
      expect([next.code, next.stderr]).toEqual([4, expect.stringContaining("there is no store")]);
      return next;
    }
    if (next.json<{ runs: { state: string }[] }>().runs.every(({ state }) => state !== "running")) return next;
    await Bun.sleep(10);
  }
}

/** The digest of each artifact in sight, as rows have it; `verify` holds the bytes against it. No command is asked: that would do first what a kill left undone. */
export async function contents(here: Place): Promise<Record<string, string>> {
  const rows = asked<{ ref: string; digest: string }>(
    here,
    `SELECT iif(a.name IS NULL, r.id || '/' || a.path, a.name || '@v' || a.version) AS ref, a.digest
     FROM artifacts a JOIN runs r ON r.seq = a.run WHERE a.state = 'live'`,
  );
  return Object.fromEntries(rows.map(({ ref, digest }) => [ref, digest]));
}

/** Nothing where there is no store yet. */
function asked<T>(here: Place, query: string): T[] {
  if (!existsSync(join(here.root, "coffer.db"))) return [];
  using db = new Database(join(here.root, "coffer.db"), { readonly: true });
  if (db.query("SELECT 1 FROM sqlite_schema WHERE name = 'artifacts'").get() === null) return [];
  return db.query<T, []>(query).all();
}

interface Left {
  verify: number | null;
  damage: unknown[];
  touched: unknown[];
  strays: unknown[];
  leases: string[];
  files: string[];
}

export const NOTHING_LEFT: Left = { verify: 0, damage: [], touched: [], strays: [], leases: [], files: [] };

/** What is not as it should be after a command. `swept`: gc has been there as well, which takes bytes that no row names. */
export async function leftOver(here: Place, swept = false): Promise<Left> {
  const verified = await here.coffer(["verify", "--json"]);
  if (verified.code === 4) return { ...NOTHING_LEFT, files: swept ? around(here) : [] };
  const { damage, touched, strays } = verified.json<VerifyReport>();
  return {
    verify: verified.code,
    damage,
    // a file that lost another name has another stamp than its row knows: it is hashed, and that is all
    touched: touched.filter(({ what }) => what === "writable"),
    strays: swept ? strays : [],
    leases: leases(here),
    // what was half written beside a manifest, or a new place, goes when that is written
    files: [...here.leftovers(), ...(swept ? around(here) : [])],
  };
}

/** Leases, but for those of readers, which have a grace. */
function leases(here: Place): string[] {
  return asked<{ kind: string }>(here, "SELECT kind FROM leases WHERE kind <> 'read' OR until IS NULL").map(({ kind }) => kind);
}

/** Files that only a process at work has beside others: half-written ones, and new databases. */
function around(here: Place): string[] {
  const isHalf = (name: string): boolean => /(?:^|\/)\.[^/]*\.(?:tmp|part)$|\.new(?:-\w+)?$/.test(name);
  const hidden = readdirSync(here.path).filter((name) => name.startsWith(".coffer-"));
  return [...filesBelow(here.root, true).filter(isHalf), ...hidden];
}

/** What became of the newest run: its state, what it keeps in sight, and what is in its workspace. */
export async function newest(here: Place): Promise<string> {
  const run = await here.shown();
  const kept = run.artifacts.filter(({ state }) => state === "live").map(({ path }) => path);
  const workspace = run.workspace === null ? "" : existsSync(run.workspace) ? `, ${filesBelow(run.workspace).join(" ")}` : ", gone";
  return `${run.state}: ${kept.toSorted().join(" ")}${workspace}`;
}

/** The names in sight, with their versions. */
export async function refs(here: Place): Promise<string[]> {
  return Object.keys(await contents(here)).toSorted();
}
