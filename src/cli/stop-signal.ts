import { whileDeaf } from "../db/wait/patience.ts";
import { EXIT } from "../domain/error.ts";

/** A command that can end early: from here on SIGINT and SIGTERM are asked for, not obeyed at once. */
export interface StopSignal {
  isThere(): boolean;
  /** Fires with the first of them. */
  readonly signal: AbortSignal;
  /** The exit code that tells which it was. */
  exit(): number;
  /** Work that changes nothing, and that nobody can be heard beside: a signal ends the process at once meanwhile. */
  atOnce<T>(work: () => T): T;
}

/** A terminal and a wrapper may both pass one on: what comes within this time is the same. */
const SAME_MS = 1_000;

/**
 * Whoever asks a second time is not kept waiting: the process ends at once. So it does while it waits for a busy database: nothing can be asked for then, and nothing
 * is half done.
 */
export function catchStopSignal(): StopSignal {
  const controller = new AbortController();
  let first: { name: "SIGINT" | "SIGTERM"; at: number } | undefined;
  const exit = (): number => (first?.name === "SIGTERM" ? EXIT.terminated : EXIT.interrupted);
  const hear = (name: "SIGINT" | "SIGTERM") => (): void => {
    if (first && performance.now() - first.at > SAME_MS) process.exit(exit());
    first ??= { name, at: performance.now() };
    controller.abort();
  };
  const heard = (["SIGINT", "SIGTERM"] as const).map((name) => ({ name, listener: hear(name) }));
  const listen = (): void => heard.forEach(({ name, listener }) => process.on(name, listener));
  listen();
  const obey = (): (() => void) => {
    for (const { name, listener } of heard) process.off(name, listener);
    return listen;
  };
  whileDeaf(obey);
  const atOnce = <T>(work: () => T): T => {
    const again = obey();
    try {
      return work();
    } finally {
      again();
    }
  };
  return { isThere: () => first !== undefined, signal: controller.signal, exit, atOnce };
}
