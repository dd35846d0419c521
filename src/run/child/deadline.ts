/** A promise that resolves after some milliseconds. `using` it ends the timer, which would keep the process alive for that long. */
export function deadline(milliseconds: number): { passed: Promise<false> } & Disposable {
  const { promise, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  return { passed: promise, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Resolves when the signal is aborted, or was. */
export function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) =>
    signal.aborted ? resolve(false) : signal.addEventListener("abort", () => resolve(false), { once: true }),
  );
}
