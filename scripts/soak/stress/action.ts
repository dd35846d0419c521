import fc from "fast-check";
import type { Kill } from "../call.ts";

/** What a process can do, and how often it does. */
const WEIGHTS = {
  log: 12,
  derive: 4,
  run: 8,
  get: 4,
  hold: 1,
  alias: 3,
  unalias: 1,
  pin: 3,
  unpin: 2,
  tag: 2,
  rm: 6,
  restore: 3,
  gc: 6,
  look: 3,
  verify: 1,
  cache: 2,
  manifest: 1,
  rebuild: 1,
} as const;

export type Deed = keyof typeof WEIGHTS;

/** A step of a process. The numbers choose among what is there when its turn comes, so that a list that is cut still makes sense. */
export interface Action {
  readonly deed: Deed;
  readonly worker: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly kill: Kill | null;
}

export interface Shape {
  /** How many processes work at a time. */
  workers: number;
  /** One in how many is killed. */
  killed: number;
  most: number;
}

/** Lists of actions, the same for the same seed; the most frequent deed, killed by nobody, is what one is shrunk to. */
export function actions({ workers, killed, most }: Shape): fc.Arbitrary<Action[]> {
  const number = fc.nat(999);
  const kill = fc.record({ at: fc.nat(1000).map((n) => n / 1000), whole: fc.boolean() });
  const isKilled = fc.nat(999).map((n) => n >= 1000 - 1000 / killed);
  const deed = fc.oneof(
    ...(Object.entries(WEIGHTS) as [Deed, number][]).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })),
  );
  const action = fc
    .record({ deed, worker: fc.nat(workers - 1), a: number, b: number, c: number, kill, isKilled })
    .map(({ isKilled, kill, ...rest }): Action => ({ ...rest, kill: isKilled ? kill : null }));
  // biased values would keep the same few bytes under the same name
  return fc.noBias(fc.array(action, { minLength: 1, maxLength: most, size: "max" }));
}

/** One line for a report. */
export function describe({ deed, worker, a, b, c, kill }: Action): string {
  return `${worker} ${deed} ${a} ${b} ${c}${kill ? ` killed at ${kill.at.toFixed(3)}${kill.whole ? " with all of it" : ""}` : ""}`;
}
