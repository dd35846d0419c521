/**
 * Where the child writes, and what coffer keeps of it.
 *
 * On a terminal the child gets the terminal as it is, and nothing is kept; with `capture` it gets a pseudo-terminal. A stream off the terminal
 * goes to a pipe, at whose other end a detached `tee` gives it to coffer, which repeats it, and appends it to the log: it and the log outlive coffer.
 *
 * When stdout and stderr are the same file, the child gets one pipe for both, and one `output.log` in the exact order. Otherwise they
 * are two pipes, in which no order exists, and the logs are `stdout.log` and `stderr.log`.
 */
export interface OutputLog {
  readonly streams: { stdout: number; stderr: number } | { terminal: Bun.TerminalOptions };
  /** The files being written, for the adoption of a run whose wrapper was killed. */
  readonly logs: readonly Log[];
  /** The child has been started: lets go of its ends of the pipes and begins to repeat. Takes the terminal that the child was given. */
  started(terminal?: Bun.Terminal): void;
  /** The child has ended: repeats the rest and closes. Ends early, without the rest, when `stop` is aborted. */
  finish(stop: AbortSignal): Promise<OutputEnd>;
  /** The child could not be started. */
  abandon(): void;
}

export interface Log {
  name: "output.log" | "stdout.log" | "stderr.log";
  path: string;
}

export interface OutputEnd {
  logs: KeptLog[];
  /** What is missing from a log or from what was repeated, one sentence each. */
  notes: string[];
}

export interface KeptLog extends Log {
  bytes: number;
  /** A process that outlives the command may still append: the file must be copied, its inode may not become a blob. */
  isOpen: boolean;
}
