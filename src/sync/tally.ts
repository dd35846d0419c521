import type { Arrival } from "./files/arrival.ts";

/** What happened to one run, for the report; told as it happens. */
export interface Tally {
  params: number;
  tags: number;
  metrics: number;
  /** Dataset inputs. */
  inputs: number;
  /** Logged models that were made. */
  models: number;
  files: number;
  bytes: number;
  /** Files by the way they took. */
  how: Partial<Record<Arrival, number>>;
  /** Requests that were sent again. */
  retried: number;
  /** Files whose bytes were read back. */
  verified: { files: number; bytes: number };
  /** What MLflow shows differently, or not at all. */
  notes: string[];
  progress: (progress: Omit<Progress, "nth" | "runs" | "goesOn" | "later">) => void;
}

/** How far one run is: first its metric points, then its files. */
export interface Progress {
  run: string;
  /** 1 for the first run of this call. */
  nth: number;
  runs: number;
  /** Metric points; none are left once files are under way. */
  points: { done: number; of: number };
  files: { done: number; of: number };
  /** What the network took in the present tries counts as done. */
  bytes: { done: number; of: number };
  /** It has not ended: more will come. */
  goesOn: boolean;
  /** What waits in the runs behind this one. */
  later: { points: number; files: number; bytes: number };
}

export function newTally(progress: Tally["progress"]): Tally {
  return {
    params: 0,
    tags: 0,
    metrics: 0,
    inputs: 0,
    models: 0,
    files: 0,
    bytes: 0,
    how: {},
    retried: 0,
    verified: { files: 0, bytes: 0 },
    notes: [],
    progress,
  };
}
