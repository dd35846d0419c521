import { watchMemory } from "../../tests/support/watch-memory.ts";
import type { Contest, Contestant } from "./subject.ts";

export interface Sample {
  /** Of each timed run. */
  milliseconds: number[];
  /** The highest of all runs, over all processes of the program; never below what this process itself holds, unless it `isAlone`. */
  peakBytes: number;
}

/** Runs everybody once for warming up, then `rounds` times in turn (A B A B …), so that whatever else the machine does hits all of them. */
export async function measure(contest: Contest, rounds: number): Promise<Record<string, Sample>> {
  const contestants: [string, Contestant][] = [
    ["reference", contest.reference],
    ["coffer", contest.coffer],
    ...Object.entries(contest.peers ?? {}),
  ];
  const samples: Record<string, Sample> = Object.fromEntries(contestants.map(([name]) => [name, { milliseconds: [], peakBytes: 0 }]));
  for (let round = 0; round <= rounds; round++) {
    await contest.beforeRound?.();
    for (const [name, contestant] of contestants) {
      await contestant.before?.();
      const { milliseconds, peakBytes } = await time(contestant);
      await contestant.after?.();
      const sample = samples[name] as Sample;
      if (round > 0) sample.milliseconds.push(milliseconds);
      sample.peakBytes = Math.max(sample.peakBytes, peakBytes);
    }
    await contest.afterRound?.();
  }
  return samples;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

async function time(contestant: Contestant): Promise<{ milliseconds: number; peakBytes: number }> {
  const begun = performance.now();
  const child = Bun.spawn([...contestant.command], {
    stdio: ["ignore", contestant.saysItsTime ? "pipe" : "ignore", "pipe"],
    ...(contestant.cwd !== undefined && { cwd: contestant.cwd }),
    env: { PATH: process.env["PATH"] ?? "", ...contestant.env },
  });
  const words = child.stderr.text();
  const own = contestant.isAlone ? watchMemory(child) : undefined;
  const said = child.stdout instanceof ReadableStream ? child.stdout.text() : undefined;
  const code = await child.exited;
  const whole = performance.now() - begun;
  if (code !== 0) throw new Error(`${contestant.command.join(" ")} ended with ${code}: ${(await words).trim()}`);
  const milliseconds = said === undefined ? whole : Number((await said).trim().split("\n").at(-1));
  if (!Number.isFinite(milliseconds)) throw new Error(`${contestant.command.join(" ")} does not say its time: ${await said}`);
  return { milliseconds, peakBytes: (await own) ?? child.resourceUsage()?.maxRSS ?? 0 };
}
