import fc from "fast-check";
import type { Trouble } from "../call.ts";

/** What a process can do, and how often it does. */
const WEIGHTS = {
  log: 14,
  derive: 4,
  run: 14,
  get: 4,
  hold: 1,
  alias: 3,
  unalias: 1,
  pin: 3,
  unpin: 2,
  tag: 2,
  rm: 10,
  restore: 3,
  gc: 9,
  look: 3,
  verify: 1,
  cache: 2,
  manifest: 1,
  rebuild: 1,
  mend: 2,
} as const;

export type Deed = keyof typeof WEIGHTS;

/** A step of a process. The numbers choose among what is there when its turn comes, so that a list that is cut still makes sense. */
export interface Action {
  readonly deed: Deed;
  readonly worker: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly trouble: Trouble | null;
}

export interface Shape {
  /** How many processes work at a time. */
  workers: number;
  /** How many of a thousand are killed, and how many stand still for a while. */
  killed: number;
  held: number;
  most: number;
}

/** Lists of actions, the same for the same seed; what one is shrunk to is the most frequent deed, in nobody's way. */
export function actions({ workers, killed, held, most }: Shape): fc.Arbitrary<Action[]> {
  const number = fc.nat(999);
  const kill = fc.record({
    does: fc.constant("kill" as const),
    at: number.map((n) => n / 1000),
    whole: fc.boolean(),
    point: fc.option(number, { freq: 4 }),
  });
  const hold = fc.record({ does: fc.constant("hold" as const), point: number, milliseconds: fc.integer({ min: 5, max: 400 }) });
  const trouble = fc.oneof(
    { weight: 1000 - killed - held, arbitrary: fc.constant(null) },
    { weight: killed, arbitrary: kill },
    { weight: held, arbitrary: hold },
  );
  const deed = fc.oneof(
    ...(Object.entries(WEIGHTS) as [Deed, number][]).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })),
  );
  const action = fc.record({ deed, worker: fc.nat(workers - 1), a: number, b: number, c: number, trouble });
  // biased values would keep the same few bytes under the same name
  return fc.noBias(fc.array(action, { minLength: 1, maxLength: most, size: "max" }));
}

/** One line for a report. */
export function describe({ deed, worker, a, b, c, trouble }: Action): string {
  return `${worker} ${deed} ${a} ${b} ${c}${trouble ? ` ${JSON.stringify(trouble)}` : ""}`;
}
