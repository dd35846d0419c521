import { expect, test } from "bun:test";
import { amount, played } from "./played.ts";

const SECONDS = amount("COFFER_STRESS", { inCI: 180, elsewhere: 5 });

test(
  "processes that do whatever they like side by side leave the store as a model of it says",
  async () => {
    const until = performance.now() + SECONDS * 1000;
    expect((await played("stress", () => performance.now() > until)).actions).toBeGreaterThan(0);
  },
  180_000 + SECONDS * 1000,
);
