import type { Where } from "../call.ts";
import type { Action, Deed } from "./action.ts";
import { collect } from "./collect.ts";
import { compare, compareStored } from "./compare.ts";
import { log, run } from "./keep.ts";
import { cache, exportRun, get, hold, look, verify } from "./look.ts";
import { alias, pin, restore, rm, tag, unalias } from "./mark.ts";
import { mend, rebuild } from "./recover.ts";
import { makeWorld } from "./world.ts";
import type { World } from "./world.ts";

const DEEDS: Record<Deed, (world: World, action: Action) => Promise<void> | void> = {
  log,
  derive: log,
  run,
  get,
  hold,
  alias,
  unalias,
  pin,
  unpin: pin,
  tag,
  rm,
  restore,
  gc: collect,
  look,
  verify,
  cache,
  manifest: exportRun,
  rebuild,
  mend,
};

export interface Counts {
  actions: number;
  commands: number;
  kills: number;
}

/**
 * Plays a list of actions on a new store: the processes side by side, each its own in their order, `phase` actions at a time. After each phase
 * nobody is at work, and the store is held against the model. `isEnough` is asked then.
 * @throws Difference
 */
export async function play(where: Where, actions: readonly Action[], phase: number, isEnough: (counts: Counts) => boolean): Promise<void> {
  const world = makeWorld(where, phase);
  const counts = (): Counts => ({ actions: world.begun, ...world.caller.counts });
  // what comes first is not killed: a store is there
  await log(world, { deed: "log", worker: 0, a: 0, b: 0, c: 0, trouble: null });
  for (let at = 0; at < actions.length; at += phase) {
    const next = actions.slice(at, at + phase);
    const workers = Map.groupBy(next, ({ worker }) => worker);
    const results = await Promise.allSettled([...workers.values()].map((own) => work(world, own)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    await compare(world);
    for (const one of world.later.splice(0)) {
      await one();
      await compare(world);
    }
    if (isEnough(counts())) break;
  }
  await collect(world, { a: 1, b: 0, trouble: null });
  await compare(world);
  await compareStored(world);
  isEnough(counts());
}

async function work(world: World, actions: readonly Action[]): Promise<void> {
  for (const action of actions) {
    world.begun++;
    world.active++;
    try {
      await DEEDS[action.deed](world, action);
    } finally {
      world.active--;
    }
  }
}
