import type { Peers } from "../peers/install.ts";

/** One program to time. */
export interface Contestant {
  command: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Before each timed run, and not timed. */
  before?(): Promise<void> | void;
  /** After each timed run: puts what it wrote out of the way. */
  after?(): Promise<void> | void;
  /** Its last line on standard output is its time in milliseconds: what it did before does not count. */
  saysItsTime?: boolean;
}

/** What is compared: coffer, the reference that the goal speaks of, and whoever else stands beside them, by title. */
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
  /** It writes into a store: `--fsyncs` shows what it waits for. */
  durable?: boolean;
  /** How its cost grows: `--growth` prepares it with each of these sizes, a tenth, once and ten times something. */
  growth?: { sizes: readonly [number, number, number]; unit: string };
  /** Sets everything up in an empty directory on the project's disk. `size`: other than the one that `what` tells. */
  prepare(place: Place, size?: number): Promise<Contest>;
}

export interface Place {
  directory: string;
  /** The compiled coffer. */
  coffer: string;
  /** Who can be timed beside it: nobody without `--peers`. */
  peers: Peers;
  /** Compiles one of the programs beside this file, and returns the path of the binary. */
  compile(program: "smallest" | "hash" | "compare"): Promise<string>;
}
