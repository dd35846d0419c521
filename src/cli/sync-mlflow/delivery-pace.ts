import { formatBytes, formatDuration } from "../../domain/quantity.ts";
import type { Progress } from "../../sync/tally.ts";

/** How far a delivery is as a whole. */
export interface Standing extends Pick<Progress, "run" | "nth" | "runs" | "points" | "files" | "bytes"> {
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
/** The same of a metric point. */
const POINT_COST = 12 * 1024;

type Work = Record<"points" | "files" | "bytes", number>;

/** Adds up the runs of a delivery, and measures its pace. */
export class Pace {
  /** Of the runs that are through. */
  #before: Work = { points: 0, files: 0, bytes: 0 };
  #last: Progress | undefined;
  readonly #samples: { at: number; done: Work }[] = [];

  /** `now`: milliseconds since 1970. */
  see(progress: Progress, now: number): Standing {
    const last = this.#last;
    if (last && isOther(last, progress)) this.#before = added(this.#before, (key) => last[key].done);
    this.#last = progress;
    const { run, nth, runs, later, goesOn } = progress;
    const done = added(this.#before, (key) => progress[key].done);
    const of = added(this.#before, (key) => progress[key].of + later[key]);
    return {
      run,
      nth,
      runs,
      points: { done: done.points, of: of.points },
      files: { done: done.files, of: of.files },
      bytes: { done: done.bytes, of: of.bytes },
      ...this.#measure(now, done, of),
      // more will come, nobody knows how much
      ...(goesOn && { left: undefined }),
    };
  }

  #measure(now: number, done: Work, of: Work): Pick<Standing, "rate" | "left"> {
    if (now - (this.#samples.at(-1)?.at ?? now) > IDLE_MS) this.#samples.length = 0;
    if (now - (this.#samples.at(-1)?.at ?? -Infinity) >= SAMPLE_MS) this.#samples.push({ at: now, done });
    while (now - (this.#samples[1]?.at ?? Infinity) >= WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    const took = first ? now - first.at : 0;
    if (!first || took < LEAST_MS) return { rate: undefined, left: undefined };
    const moved = costBetween(first.done, done);
    const rate = Math.round((Math.max(0, done.bytes - first.done.bytes) * 1000) / took);
    return { rate, left: moved === 0 ? undefined : Math.round((costBetween(done, of) * took) / moved) };
  }
}

function added(before: Work, more: (key: keyof Work) => number): Work {
  return { points: before.points + more("points"), files: before.files + more("files"), bytes: before.bytes + more("bytes") };
}

function costBetween(from: Work, to: Work): number {
  const more = (key: keyof Work): number => Math.max(0, to[key] - from[key]);
  return more("bytes") + FILE_COST * more("files") + POINT_COST * more("points");
}

/** Another run, or another part or round of the same one. Bytes alone tell nothing: those of an upload that failed are taken back. */
function isOther(last: Progress, next: Progress): boolean {
  if (last.run !== next.run || last.files.done > next.files.done || last.points.done > next.points.done) return true;
  return (["points", "files", "bytes"] as const).some((key) => last[key].of !== next[key].of);
}

/** `12/40 files, 1.2 GiB of 3.4 GiB, 120 MiB/s, 18 s left (run 2 of 5)`; while they go, metric points in the place of files. */
export function paceWords({ nth, runs, points, files, bytes, rate, left }: Standing): string {
  const parts =
    points.done < points.of
      ? [`${points.done}/${points.of} metric points`]
      : [
          `${files.done}/${files.of} files`,
          `${formatBytes(bytes.done)} of ${formatBytes(bytes.of)}`,
          ...(rate === undefined ? [] : [`${formatBytes(rate)}/s`]),
        ];
  const until = left === undefined ? [] : [`${inSeconds(left)} left`];
  return `${[...parts, ...until].join(", ")}${runs > 1 ? ` (run ${nth} of ${runs})` : ""}`;
}

/** An estimate is no more exact than that. */
function inSeconds(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}
