import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import { appears } from "../support/appears.ts";
import { place } from "../cli/run-place.ts";
import type { Place } from "../cli/run-place.ts";

function armed(here: Place, points: string, ...args: string[]) {
  return here.coffer(args, { env: { [SYNC_POINTS_VARIABLE]: points } });
}

test.each([
  ["ingest.stagd=kill", "there is no point “ingest.stagd”; is ingest.staged meant?"],
  ["nowhere.at-all=kill", "there is no point “nowhere.at-all”"],
  ["ingest.staged", "“ingest.staged” is not NAME=kill"],
  ["ingest.staged=die", "“die” is neither kill nor hold:FILE"],
  ["ingest.staged=hold:", "“hold:” is neither kill nor hold:FILE"],
  ["ingest.staged@0=kill", "“ingest.staged@0=kill” is not NAME=kill"],
  ["ingest.staged=kill,", "“” is not NAME=kill"],
  ["ingest.staged=kill,ingest.staged@1=hold:x", "ingest.staged@1 is armed twice"],
  ["toString=kill", "is not NAME=kill"],
])("%s is wrong usage, whatever the command", async (points, words) => {
  using here = place();
  const { code, stderr } = await armed(here, points, "doctor");
  expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
  expect(stderr).toContain("COFFER_SYNC_POINTS");
});

test("an empty list arms nothing", async () => {
  using here = place();
  here.write("a", "a");
  expect((await armed(here, "", "log", "a")).code).toBe(0);
});

test("a process stands still where it is told to, the nth time that it comes there, and goes on when it may", async () => {
  using here = place();
  here.write("a", "a");
  const going = armed(here, "transaction.done@2=hold:here,transaction.committed@4=kill", "log", "a");
  await appears(here.at("here.reached"), { exited: going });
  expect(Number(readFileSync(here.at("here.reached"), "utf8"))).toBeGreaterThan(1);
  here.write("here", "");
  const ended = await going;
  expect([ended.code, ended.signal]).toEqual([null, "SIGKILL"]);
});

test("the points are those of one process: a wrapped command never hears of them", async () => {
  using here = place();
  const script = "echo ${COFFER_SYNC_POINTS-none} >$W/o";
  const run = await here.run(script, [], { env: { [SYNC_POINTS_VARIABLE]: "gc.begun=kill" } });
  expect(run).toMatchObject({ code: 0 });
  const shown = await here.shown();
  expect(await here.bytes(`${shown.id}/o`)).toBe("none\n");
  expect(JSON.stringify(shown)).not.toContain("gc.begun");
});
