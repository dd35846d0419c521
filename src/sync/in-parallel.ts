export interface Limits {
  /** Tasks at once. */
  jobs: number;
  /** Sum of what `weigh` gives for those that run; a heavier one runs alone. */
  weight: number;
}

/**
 * Runs `work` for each item, in order (they are asked for as they are needed), as many at once as the limits allow. Once one has thrown, no other begins; those that run are
 * waited for, and the first error is thrown.
 */
export function inParallel<T>(
  items: Iterable<T>,
  limits: Limits,
  weigh: (item: T) => number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const source = items[Symbol.iterator]();
    let next: IteratorResult<T, unknown> | undefined;
    let running = 0;
    let weight = 0;
    let failure: { error: unknown } | undefined;
    const pump = (): void => {
      while (!failure && running < limits.jobs) {
        try {
          next ??= source.next();
        } catch (error) {
          failure = { error };
          break;
        }
        if (next.done) break;
        const item = next.value;
        const own = weigh(item);
        if (running > 0 && weight + own > limits.weight) break;
        next = undefined;
        running++;
        weight += own;
        void work(item)
          .catch((error: unknown) => (failure ??= { error }))
          .then(() => {
            running--;
            weight -= own;
            pump();
          });
      }
      if (running > 0) return;
      if (failure) reject(failure.error);
      else resolve();
    };
    pump();
  });
}
