import { afterAll, beforeAll, expect, test } from "bun:test";
import { numbersFrom } from "../../../scripts/soak/random.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow, startReader } from "../../support/mlflow.ts";
import type { Reader } from "../../support/mlflow.ts";
import { harmSteps, STEPS } from "./steps.ts";
import { tellWhole } from "./whole-run.ts";
import type { ToldWhole } from "./whole-run.ts";

const live = needsMlflow(test);
/** COFFER_FAULTS=each: a run of its own for each step, instead of one run that is interrupted at each step in turn; all, each: at both ends of a request. */
const EACH = process.env["COFFER_FAULTS"] === "each";
const ALL = EACH || process.env["COFFER_FAULTS"] === "all";
/** How often a delivery is killed at random, and the numbers that decide where. */
const KILLS = Number(process.env["COFFER_KILLS"] ?? 30);
const SEED = Number(process.env["COFFER_SEED"] ?? 20_260_101);
const KILLS_A_RUN = 10;

let reader: Reader;
beforeAll(() => {
  if (process.env["COFFER_TEST_MLFLOW"]) reader = startReader(mlflow.proxied);
});
afterAll(() => reader?.[Symbol.asyncDispose]());

type Child = ReturnType<ToldWhole["spawn"]>;

const moments: [when: string, fault: (kill: () => void) => Fault][] = [
  ["once the server has done its work", (kill) => ({ reset: "answer", at: kill })],
  ["before the server sees the request", (kill) => (kill(), { reset: "before" })],
];
for (const [when, fault] of ALL ? moments : moments.slice(0, 1))
  for (const steps of EACH ? STEPS.map((step) => [step]) : [STEPS])
    live(
      `a sync that is killed${EACH ? ` at ${steps[0]?.about} ${steps[0]?.from}` : " at every step"}, ${when}, leaves the run whole after the next one`,
      async () => {
        let child: Child;
        await using proxy = await harmSteps(mlflow.proxied.uri, steps, () => fault(() => child.kill("SIGKILL")));
        using told = await tellWhole(proxy.uri);
        do {
          child = told.spawn();
          await child.exited;
          expect(child.signalCode ?? child.exitCode).toBeOneOf(["SIGKILL", 0]);
        } while (child.exitCode !== 0);
        if (!EACH) expect(proxy.left()).toEqual([]);
        await told.endsWell(reader);
      },
      240_000,
    );

live(
  "a sync that is killed at random moments, again and again, leaves the run whole after the next one",
  async () => {
    console.error(`COFFER_KILLS=${KILLS} COFFER_SEED=${SEED}`);
    const random = numbersFrom(SEED);
    const upTo = (limit: number): number => Math.floor(random() * limit);
    let child: Child;
    let countdown = 0;
    let how: () => Fault;
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => (--countdown === 0 ? how() : undefined));
    const kill = (): void => child.kill("SIGKILL");
    const ways: (() => () => Fault)[] = [
      () => () => (kill(), { reset: "before" }),
      () => () => ({ reset: "answer", at: kill }),
      // in the middle of the body
      () => () => ({ reset: "half", at: kill }),
      // some time later
      () => {
        const milliseconds = upTo(30);
        return () => void setTimeout(kill, milliseconds);
      },
    ];
    for (let kills = 0; kills < KILLS;) {
      using told = await tellWhole(proxy.uri);
      for (let nth = 0; nth < KILLS_A_RUN && kills < KILLS; nth++) {
        countdown = 1 + upTo(nth === 0 ? 75 : 40);
        how = (ways[upTo(ways.length)] as (typeof ways)[number])();
        child = told.spawn();
        await child.exited;
        countdown = 0;
        if (child.exitCode === 0) break;
        kills++;
      }
      countdown = 0;
      await told.endsWell(reader);
    }
  },
  KILLS * 20_000,
);
