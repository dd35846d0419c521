/**
 * Runs `work` for each item, in order (they are asked for as they are needed), so many at once. Once one has thrown, no other begins; those that run are
 * waited for, and the first error is thrown.
 */
export async function inParallel<T>(items: Iterable<T>, jobs: number, work: (item: T) => Promise<void>): Promise<void> {
  const source = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    try {
      while (!failure) {
        const next = source.next();
        if (next.done) return;
        await work(next.value);
      }
    } catch (error) {
      failure ??= { error };
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  if (failure) throw failure.error;
}
