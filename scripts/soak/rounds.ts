import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Difference } from "./difference.ts";
import { keepTogether } from "./processes.ts";
import { actions, describe } from "./model/action.ts";
import type { Action } from "./model/action.ts";
import { play } from "./model/play.ts";

/** What a soak plays, again and again: stress: several processes against the model; steps: one, each step held against it; kills: the same, most steps killed. */
export const KINDS = {
  stress: { workers: 6, killed: 100, held: 450, most: 160, phase: 40 },
  steps: { workers: 1, killed: 0, held: 0, most: 60, phase: 1 },
  kills: { workers: 1, killed: 950, held: 0, most: 60, phase: 1 },
} as const;

export type Kind = keyof typeof KINDS | "processes";

export interface Tally {
  rounds: number;
  actions: number;
  commands: number;
  kills: number;
}

export interface Soak {
  binary: string;
  kind: Kind;
  seed: number;
  /** Asked before each round, and after each phase of one. */
  isOver(tally: Tally): boolean;
  /** What has happened so far, and the seed of the round that begins. */
  tell(words: string): void;
}

/**
 * Plays rounds, each on a new store and with the next seed, until it is over.
 * @throws Difference with the actions that lead to it, as few as could be found in a minute, and how to play them again
 */
export async function soak({ binary, kind, seed, isOver, tell }: Soak): Promise<Tally> {
  const tally: Tally = { rounds: 0, actions: 0, commands: 0, kills: 0 };
  for (; tally.rounds === 0 || !isOver(tally); tally.rounds++) {
    const own = seed + tally.rounds;
    if (kind === "processes") await together(binary, own, tally);
    else await round(binary, kind, own, tally, isOver);
    tell(
      `${kind}, seed ${own}: ${tally.rounds + 1} rounds, ${tally.actions} actions, ${tally.commands} commands, ${tally.kills} kills, no difference`,
    );
  }
  return tally;
}

async function together(binary: string, seed: number, tally: Tally): Promise<void> {
  const place = makePlace();
  try {
    const { commands = 0 } = await keepTogether({ binary, directory: place.directory }, { seed, processes: 32, commands: 4 });
    tally.commands += commands;
    tally.actions += commands;
  } catch (error) {
    throw explain(error, { place, seed, kind: "processes", list: [] });
  }
  place.remove();
}

const SHRINKING_MS = 60_000;

/** Where processes are killed or work side by side, a shorter list that fails as well needs luck: it is looked for, for a minute. */
async function round(binary: string, kind: keyof typeof KINDS, seed: number, tally: Tally, isOver: Soak["isOver"]): Promise<void> {
  const shape = KINDS[kind];
  let failure: Failure | undefined;
  let until = Infinity;
  const once = async (list: Action[]): Promise<void> => {
    if (performance.now() > until) return;
    const place = makePlace();
    const before = { ...tally };
    try {
      await play({ binary, directory: place.directory }, list, shape.phase, (counts) => {
        if (failure) return false;
        for (const key of ["actions", "commands", "kills"] as const) tally[key] = before[key] + counts[key];
        return isOver(tally);
      });
      place.remove();
    } catch (error) {
      failure?.place.remove();
      failure = { error, place, seed, kind, list };
      until = Math.min(until, performance.now() + SHRINKING_MS);
      throw error;
    }
  };
  await fc.check(fc.asyncProperty(actions(shape), once), { seed, numRuns: 1 });
  if (failure) throw explain(failure.error, failure);
}

interface Failure {
  error: unknown;
  /** Its store stays, for whoever looks for the reason. */
  place: Place;
  seed: number;
  kind: Kind;
  list: readonly Action[];
}

function explain(error: unknown, { place, seed, kind, list }: Omit<Failure, "error">): Difference {
  const words = error instanceof Difference ? error.message : error instanceof Error ? error.stack : String(error);
  const steps = list.length === 0 ? "" : `\n${list.length} actions (process, deed, numbers):\n${list.map(describe).join("\n")}`;
  return new Difference(
    `${words}\nThe store is ${join(place.directory, "artifacts")}.\nTo play it again: bun run soak ${kind} --seed ${seed} --rounds 1${steps}`,
  );
}

interface Place {
  directory: string;
  remove(): void;
}

function makePlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), "coffer-soak-"));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
