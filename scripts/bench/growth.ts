import { measure, median } from "./measure.ts";
import type { Sample } from "./measure.ts";
import { spellMemory, spellTime } from "./spell.ts";
import type { Place, Subject } from "./subject.ts";
import type { Row, Table } from "./table.ts";

export const GROWTH: Table = {
  title: "Growth",
  head: ["", "sizes", "coffer", "exponent", "reference", "exponent", "peak memory"],
};

/** Measures a subject at each of its sizes, one after another, each in a place of its own. */
export async function measureGrowth(subject: Subject, rounds: number, makePlace: () => Place & Disposable): Promise<Row> {
  const { sizes, unit } = subject.growth as NonNullable<Subject["growth"]>;
  const [ours, theirs]: [Sample[], Sample[]] = [[], []];
  for (const size of sizes) {
    using place = makePlace();
    const samples = await measure(await subject.prepare(place, size), rounds);
    ours.push(samples["coffer"] as Sample);
    theirs.push(samples["reference"] as Sample);
  }
  const times = (samples: readonly Sample[]): number[] => samples.map(({ milliseconds }) => median(milliseconds));
  const slope = (samples: readonly Sample[]): string => {
    const points = times(samples).map((time, nth) => [sizes[nth] as number, time] as const);
    return `${exponent(points).toFixed(2)} [${exponent(points.slice(-2)).toFixed(2)}]`;
  };
  const spell = (samples: readonly Sample[]): string => times(samples).map(spellTime).join(" · ");
  return {
    what: subject.what,
    cells: [
      `${sizes.map((size) => size.toLocaleString("en")).join(" · ")} ${unit}`,
      spell(ours),
      `**${slope(ours)}**`,
      spell(theirs),
      slope(theirs),
      ours.map(({ peakBytes }) => spellMemory(peakBytes)).join(" · "),
    ],
  };
}

/** The slope of the straight line through the logarithms, by least squares: 0 where the time stays, 1 where it grows as the size does, 2 where as its square. */
export function exponent(points: readonly (readonly [size: number, time: number])[]): number {
  const logs = points.map(([size, time]) => [Math.log(size), Math.log(time)] as const);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(logs.map(([size]) => size)), mean(logs.map(([, time]) => time))];
  const along = logs.reduce((sum, [size, time]) => sum + (size - x) * (time - y), 0);
  return along / logs.reduce((sum, [size]) => sum + (size - x) ** 2, 0);
}
