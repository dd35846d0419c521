import { EXIT } from "../domain/error.ts";

/** A command that can end early: from here on SIGINT and SIGTERM are asked for, not obeyed at once. */
export interface StopSignal {
  isThere(): boolean;
  /** The exit code that tells which it was. */
  exit(): number;
}

export function catchStopSignal(): StopSignal {
  let signal: "SIGINT" | "SIGTERM" | undefined;
  process.on("SIGINT", () => (signal ??= "SIGINT"));
  process.on("SIGTERM", () => (signal ??= "SIGTERM"));
  return { isThere: () => signal !== undefined, exit: () => (signal === "SIGTERM" ? EXIT.terminated : EXIT.interrupted) };
}
