import { soak } from "../../scripts/soak/rounds.ts";
import type { Tally } from "../../scripts/soak/rounds.ts";
import { binary } from "../support/coffer.ts";

/** The number that decides what happens: `bun run soak` does the same for as long as one likes. */
const SEED = Number(process.env["COFFER_SEED"] ?? 20_260_101);

/** As many as a variable says, or as are usual in CI or elsewhere. */
export function amount(variable: "COFFER_KILLS" | "COFFER_STRESS", usual: { inCI: number; elsewhere: number }): number {
  return Number(process.env[variable] ?? (process.env["CI"] === "true" ? usual.inCI : usual.elsewhere));
}

/** Plays rounds until it is over, and says how many. */
export async function played(kind: "kills" | "stress", isOver: (tally: Tally) => boolean): Promise<Tally> {
  let last = "";
  const tally = await soak({ binary: binary(), kind, seed: SEED, isOver, tell: (words) => (last = words) });
  console.error(last);
  return tally;
}
