export interface Limits {
  /** Tasks at once. */
  jobs: number;
  /** Sum of what `weigh` gives for those that run; a heavier one runs alone. */
  weight: number;
}

/**
 * Runs `work` for each item, in order, as many at once as the limits allow. Once one has thrown, no other begins; those that run are
 * waited for, and the first error is thrown.
 */
export function inParallel<T>(
  items: readonly T[],
  limits: Limits,
  weigh: (item: T) => number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    let weight = 0;
    let failure: { error: unknown } | undefined;
    const pump = (): void => {
      while (!failure && next < items.length && running < limits.jobs) {
        const item = items[next] as T;
        const own = weigh(item);
        if (running > 0 && weight + own > limits.weight) break;
        next++;
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
