import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Fault } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow, startReader } from "../../support/mlflow.ts";
import type { Reader } from "../../support/mlflow.ts";
import { harmSteps, STEPS } from "./steps.ts";
import { ONE_TRY, tellWhole } from "./whole-run.ts";

const live = needsMlflow(test);
/**
 * A run meets the fault at each step of its delivery in turn. COFFER_FAULTS=all: some more faults; each: every fault at every step has a run of its own (an hour).
 */
const EACH = process.env["COFFER_FAULTS"] === "each";
const ALL = EACH || process.env["COFFER_FAULTS"] === "all";

/** Some thirty calls of coffer. */
const PATIENCE = 240_000;

let reader: Reader;
beforeAll(() => {
  if (process.env["COFFER_TEST_MLFLOW"]) reader = startReader(mlflow.proxied);
});
afterAll(() => reader?.[Symbol.asyncDispose]());

const LIE = { answer: "200 OK\r\nContent-Type: application/json", body: "{}" };
const PAGE = { answer: "200 OK\r\nContent-Type: text/html", body: "<!doctype html><title>Sign in</title>" };

const faults: [what: string, fault: Fault][] = [
  ["a connection that ends in the middle of the body", { reset: "half" }],
  ["an answer that is lost once the server has done its work", { reset: "answer" }],
  ["a body that is cut in half with a 200", { ...LIE, half: true }],
];
const more: typeof faults = [
  ["a connection that ends before the request", { reset: "before" }],
  ["an answer that is cut in its head", { cutAnswerAfter: 30 }],
  ["an answer that is cut in its body", { cutAnswerAfter: 180 }],
  ["503", { answer: "503 Busy" }],
  ["200 with nothing behind it", LIE],
  ["200 and nothing else", { answer: "200 OK" }],
  ["a page instead of an answer", PAGE],
  ["an answer that trickles", { trickle: 16 }],
];
for (const [what, fault] of ALL ? [...faults, ...more] : faults) harm(what, fault, ONE_TRY, STEPS);

// these cost a repetition, and no failure
harm("503 with Retry-After in seconds", { answer: "503 Busy\r\nRetry-After: 0" }, {}, STEPS);
if (ALL) harm("429 with Retry-After as a date", { answer: "429 Slow Down\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT" }, {}, STEPS);

// a busy server may need some seconds for a batch
const SLOW = { ...ONE_TRY, MLFLOW_HTTP_REQUEST_TIMEOUT: "5" };
const FEW = STEPS.filter(({ about }) => ["POST runs/create", "PUT large.bin", "GET artifacts/list"].includes(about));
harm("half an answer and then silence", { stallAnswerAfter: 180 }, SLOW, FEW);
if (ALL) harm("silence", { stall: true }, SLOW, FEW);

function harm(what: string, fault: Fault, env: Record<string, string>, all: typeof STEPS): void {
  for (const steps of EACH ? STEPS.map((step) => [step]) : [all])
    live(
      `${what}${EACH ? ` at ${steps[0]?.about} ${steps[0]?.from}` : ", at every step"}, leaves the run whole after the next sync`,
      async () => {
        await using proxy = await harmSteps(mlflow.proxied.uri, steps, () => fault);
        using told = await tellWhole(proxy.uri);
        // a slow machine may cost a sync more
        for (let nth = 0; nth < 60 && proxy.left().length > 0; nth++) {
          const ended = await told.sync(env);
          if (ended.code === 0) break;
          expect(ended).toMatchObject({ code: 3 });
        }
        if (!EACH) expect(proxy.left()).toEqual([]);
        await told.endsWell(reader);
      },
      PATIENCE,
    );
}
