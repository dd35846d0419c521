import { formatBytes, formatDuration } from "../domain/quantity.ts";
import type { Progress } from "../sync/tally.ts";

/** How far a delivery is as a whole. */
export interface Standing {
  run: string;
  /** 1 for the first run. */
  nth: number;
  runs: number;
  files: { done: number; of: number };
  bytes: { done: number; of: number };
  /** Bytes in a second, over the last ten; undefined until there is something to go by. */
  rate: number | undefined;
  /** Milliseconds until the end, at this pace. */
  left: number | undefined;
}

const WINDOW_MS = 10_000;
const SAMPLE_MS = 200;
const LEAST_MS = 500;
/** Whoever shows it looks once a second while something is under way: between two looks that are further apart nothing was. */
const IDLE_MS = 2_500;
/** What a file costs beside its bytes, in bytes: a thousand small files take a while although they weigh nothing. */
const FILE_COST = 32 * 1024;

/** Adds up the runs of a delivery, and measures its pace. */
export class Pace {
  /** Of the runs that are through. */
  #files = 0;
  #bytes = 0;
  #last: Progress | undefined;
  readonly #samples: { at: number; files: number; bytes: number }[] = [];

  /** `now`: milliseconds since 1970. */
  see(progress: Progress, now: number): Standing {
    const last = this.#last;
    if (last && isOther(last, progress)) {
      this.#files += last.files.done;
      this.#bytes += last.bytes.done;
    }
    this.#last = progress;
    const { run, nth, runs, files, bytes, later } = progress;
    const done = { files: this.#files + files.done, bytes: this.#bytes + bytes.done };
    const of = { files: this.#files + files.of + later.files, bytes: this.#bytes + bytes.of + later.bytes };
    return {
      run,
      nth,
      runs,
      files: { done: done.files, of: of.files },
      bytes: { done: done.bytes, of: of.bytes },
      ...this.#measure(now, done, of),
    };
  }

  #measure(now: number, done: { files: number; bytes: number }, of: typeof done): Pick<Standing, "rate" | "left"> {
    if (now - (this.#samples.at(-1)?.at ?? now) > IDLE_MS) this.#samples.length = 0;
    if (now - (this.#samples.at(-1)?.at ?? -Infinity) >= SAMPLE_MS) this.#samples.push({ at: now, ...done });
    while (now - (this.#samples[1]?.at ?? Infinity) >= WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    const took = first ? now - first.at : 0;
    if (!first || took < LEAST_MS) return { rate: undefined, left: undefined };
    const moved = Math.max(0, done.bytes - first.bytes);
    const work = moved + FILE_COST * Math.max(0, done.files - first.files);
    const toDo = Math.max(0, of.bytes - done.bytes) + FILE_COST * Math.max(0, of.files - done.files);
    return { rate: Math.round((moved * 1000) / took), left: work === 0 ? undefined : Math.round((toDo * took) / work) };
  }
}

/** Another run, or another round of the same one. Bytes alone tell nothing: those of an upload that failed are taken back. */
function isOther(last: Progress, next: Progress): boolean {
  return last.run !== next.run || last.files.of !== next.files.of || last.bytes.of !== next.bytes.of || last.files.done > next.files.done;
}

/** `12/40 files, 1.2 GiB of 3.4 GiB, 120 MiB/s, 18.0 s left (run 2 of 5)`. */
export function paceWords({ nth, runs, files, bytes, rate, left }: Standing): string {
  return [
    `${files.done}/${files.of} files, ${formatBytes(bytes.done)} of ${formatBytes(bytes.of)}`,
    ...(rate === undefined ? [] : [`, ${formatBytes(rate)}/s`]),
    ...(left === undefined ? [] : [`, ${formatDuration(left)} left`]),
    ...(runs > 1 ? [` (run ${nth} of ${runs})`] : []),
  ].join("");
}
