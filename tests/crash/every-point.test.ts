import { expect, test } from "bun:test";
import { SYNC_POINTS } from "../../src/domain/sync-points.ts";
import { IN_PARTS, ON_ONE_DISK, OVER_HTTP } from "./delivery-points.ts";
import { killAt } from "./kill-at.ts";
import { needsExactTimes } from "../support/exact-times.ts";
import { AHEAD } from "./scenarios/ahead.ts";
import { COLLECTING } from "./scenarios/collecting.ts";
import { KEEPING } from "./scenarios/keeping.ts";
import { MENDING } from "./scenarios/mending.ts";
import { READING } from "./scenarios/reading.ts";
import { RUNNING } from "./scenarios/running.ts";

const SCENARIOS = [...KEEPING, ...RUNNING, ...AHEAD, ...COLLECTING, ...READING, ...MENDING];

const ahead = needsExactTimes(test);

for (const scenario of SCENARIOS)
  for (const { at, after, inTurn } of scenario.kills)
    for (const points of inTurn ? [at] : at.map((point) => [point]))
      (scenario.readsAhead ? ahead : test)(
        `${scenario.title}, killed at ${points.join(", then at ")}`,
        () => killAt(scenario, points, after),
        60_000,
      );

test("each point is one that some scenario is killed at, here or on its way to a server", () => {
  const here = SCENARIOS.flatMap(({ kills }) => kills.flatMap(({ at }) => at));
  const reached = new Set([...here, ...OVER_HTTP, ...ON_ONE_DISK, ...IN_PARTS].map((point) => point.replace(/@.*/, "")));
  expect(Object.keys(SYNC_POINTS).filter((point) => !reached.has(point))).toEqual([]);
});
