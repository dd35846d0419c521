import { test as bunTest, expect } from "bun:test";
import { needsDisk } from "../support/disk/mount-disk.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { record } from "./recording.ts";
import { SCENARIOS } from "./scenarios.ts";
import { cuts, tryAll } from "./survive.ts";

const test = needsDisk(bunTest);

// all that flushes decide, and so many by chance; COFFER_CUTS=10000 tries every disk that there is, which takes minutes; COFFER_SEED chooses others
const others = Number(process.env["COFFER_CUTS"] ?? 8);
const seed = Number(process.env["COFFER_SEED"] ?? 1);

for (const [name, scenario] of Object.entries(SCENARIOS))
  test(
    `a machine that stops at any moment of ${name} loses nothing that was acknowledged, and shows nothing half-done`,
    async () => {
      using root = temporaryRoot();
      const recording = await record(scenario, root);
      expect(await tryAll(recording, cuts(recording, others, seed))).toEqual([]);
    },
    Math.max(60_000, others * 1000),
  );
