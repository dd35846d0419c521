import { expect, test } from "bun:test";
import { keepTogether } from "../../scripts/soak/processes.ts";
import { binary } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("32 processes log to one store while one collects garbage and one reads: nothing that was acknowledged is lost, and nobody meets a half", async () => {
  using place = temporaryRoot();
  const counts = await keepTogether({ binary: binary(), directory: place.path }, { seed: 1, processes: 32, commands: 4 });
  expect(counts["kept"]).toBeGreaterThan(32);
  expect(counts["removed"]).toBeGreaterThan(8);
  expect(counts["collections"]).toBeGreaterThan(2);
  expect(counts["readings"]).toBeGreaterThan(0);
}, 240_000);
