import { expect, test } from "bun:test";
import { amount, played } from "./played.ts";

const KILLS = amount("COFFER_KILLS", { inCI: 300, elsewhere: 15 });

test(
  "whatever is killed, and when: what was acknowledged is there, the rest is wholly there or absent, and nothing is left behind",
  async () => {
    expect((await played("kills", ({ kills }) => kills >= KILLS)).kills).toBeGreaterThanOrEqual(KILLS);
  },
  60_000 + KILLS * 4000,
);
