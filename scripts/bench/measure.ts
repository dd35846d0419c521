import { join } from "node:path";
import type { Contest, Contestant } from "./subject.ts";

export interface Sample {
  /** Of each timed run. */
  milliseconds: number[];
  /** The highest of all runs, over all processes of the program. */
  peakBytes: number;
}

/** Those beside coffer take ten times as long, and nothing is decided by them. */
const PEER_ROUNDS = 3;

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
      if (round > PEER_ROUNDS && contest.peers?.[name] !== undefined) continue;
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
  const words = [...(contestant.saysItsTime ? ["--keep-output"] : []), ...contestant.command];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "run-once.ts"), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
    ...(contestant.cwd !== undefined && { cwd: contestant.cwd }),
    env: { PATH: process.env["PATH"] ?? "", ...contestant.env },
    // Ctrl-C in a terminal would end only some of it: whoever is interrupted ends all
    detached: true,
  });
  const [report] = await Promise.all([child.stdout.text(), child.exited]);
  const command = contestant.command.join(" ");
  if (child.exitCode !== 0) throw new Error(`${command} cannot be started`);
  const ran = JSON.parse(report) as { milliseconds: number; peakBytes: number; code: number | null; said: string; words: string };
  if (ran.code !== 0) throw new Error(`${command} ended with ${ran.code}: ${ran.words.trim()}`);
  const milliseconds = contestant.saysItsTime ? Number(ran.said.trim().split("\n").at(-1)) : ran.milliseconds;
  if (!Number.isFinite(milliseconds)) throw new Error(`${command} does not say its time: ${ran.said}`);
  return { milliseconds, peakBytes: ran.peakBytes };
}
