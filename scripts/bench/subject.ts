/** One program to time. */
export interface Contestant {
  command: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Before each timed run, and not timed. */
  before?(): Promise<void> | void;
  /** After each timed run: removes what it wrote. */
  after?(): Promise<void> | void;
  /** Its last line on standard output is its time in milliseconds: what it did before does not count. */
  saysItsTime?: boolean;
  /** Its memory is its own process's, watched as it runs (Linux only), not the most of all that it started. */
  isAlone?: boolean;
}

/** What is compared: coffer, the reference that the goal speaks of, and whoever else stands beside them. */
export interface Contest {
  coffer: Contestant;
  reference: Contestant;
  peers?: Readonly<Record<string, Contestant>>;
  /** Before each round (everybody once), and not timed. */
  beforeRound?(): Promise<void> | void;
  afterRound?(): Promise<void> | void;
}

/**
 * times: of the reference's time. faster: that many times as fast as the reference. more: milliseconds beyond it. most: milliseconds, whatever the
 * reference takes. memory: what counts is the peak.
 */
export type Goal = { times: number } | { faster: number } | { more: number } | { most: number } | { memory: number };

export interface Subject {
  name: string;
  /** One line for the table. */
  what: string;
  reference: string;
  goal: Goal;
  /** Peak bytes of memory; MOST_MEMORY of the table unless said. */
  memory?: number;
  /** Timed rounds after one for warming up. */
  rounds: number;
  /** Sets everything up in an empty directory on the project's disk. */
  prepare(place: Place): Promise<Contest>;
}

export interface Place {
  directory: string;
  /** The compiled coffer. */
  coffer: string;
  /** Compiles one of the programs beside this file, and returns the path of the binary. */
  compile(program: "smallest" | "hash"): Promise<string>;
}
