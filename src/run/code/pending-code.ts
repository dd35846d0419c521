import { readCodeState } from "./code-state.ts";
import type { CodeOptions, CodeState } from "./code-state.ts";

/** The state of the code, while git is still at work on it. */
export interface PendingCode extends Disposable {
  /** Await it before the child is started: the child may edit the code. What differs from the commit goes to `captureTo`, where nothing may be yet. */
  read(captureTo: string): Promise<CodeState>;
}

/** Starts git, so that it works while the store is opened. `using` ends it if nobody reads the result. */
export function beginCodeState(options: Omit<CodeOptions, "captureTo">): PendingCode {
  const place = Promise.withResolvers<string>();
  const unwanted = new AbortController();
  let isKnown = false;
  const state = readCodeState({ ...options, captureTo: place.promise, signal: unwanted.signal }).finally(() => (isKnown = true));
  return {
    read(captureTo) {
      place.resolve(captureTo);
      return state;
    },
    [Symbol.dispose]() {
      // half a millisecond where nobody is left to hear it
      if (!isKnown) unwanted.abort();
    },
  };
}
