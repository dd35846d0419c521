import { setImmediate as yieldToSignals } from "node:timers/promises";

/** Somebody asked a command to end while nothing was half done, and nothing changed. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/**
 * What long work that waits for nothing calls after each small step, so that signals are heard.
 * @throws Interrupted where one came
 */
export type Pause = () => Promise<void>;

const EVERY_MS = 100;

/** Lets others have their turn ten times a second. */
export function pauseUntil(stop: () => boolean): Pause {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < EVERY_MS) return;
    await yieldToSignals();
    last = performance.now();
    if (stop()) throw new Interrupted("interrupted");
  };
}

/** For those whom nobody interrupts. */
export const unpaused: Pause = async () => {};

/** Does work that yields after each of its small steps, without a pause. */
export function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** The same for whoever may be interrupted between two steps. */
export async function pausing<T>(work: Generator<void, T>, pause: Pause): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await pause();
  }
}
