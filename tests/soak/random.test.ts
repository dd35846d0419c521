import { expect, test } from "bun:test";
import { soak } from "../../scripts/soak/rounds.ts";
import type { Tally } from "../../scripts/soak/rounds.ts";
import { binary } from "../support/coffer.ts";

const CI = process.env["CI"] === "true";
/** How often something is killed, how long processes work side by side, and the number that decides what they do: `bun run soak` does the same for as long as one likes. */
const KILLS = Number(process.env["COFFER_KILLS"] ?? (CI ? 300 : 15));
const SECONDS = Number(process.env["COFFER_STRESS"] ?? (CI ? 180 : 5));
const SEED = Number(process.env["COFFER_SEED"] ?? 20_260_101);

async function played(kind: "kills" | "stress", isOver: (tally: Tally) => boolean): Promise<Tally> {
  let last = "";
  const tally = await soak({ binary: binary(), kind, seed: SEED, isOver, tell: (words) => (last = words) });
  console.error(last);
  return tally;
}

test(
  "whatever is killed, and when: what was acknowledged is there, the rest is wholly there or absent, and nothing is left behind",
  async () => {
    expect((await played("kills", ({ kills }) => kills >= KILLS)).kills).toBeGreaterThanOrEqual(KILLS);
  },
  60_000 + KILLS * 4000,
);

test(
  "processes that do whatever they like side by side leave the store as a model of it says",
  async () => {
    const until = performance.now() + SECONDS * 1000;
    expect((await played("stress", () => performance.now() > until)).actions).toBeGreaterThan(0);
  },
  180_000 + SECONDS * 1000,
);
