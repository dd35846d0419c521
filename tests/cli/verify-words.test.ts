import { expect, test } from "bun:test";
import type { VerifyReport } from "../../src/cli/verify/report.ts";
import { sumUp } from "../../src/cli/verify/words.ts";
import type { How } from "../../src/cli/verify/words.ts";

const nothing: VerifyReport = {
  schema: "coffer.verify/1",
  blobs: 0,
  bytes: 0,
  unverified: 0,
  interrupted: true,
  damage: [],
  touched: [],
  strays: [],
  repair: null,
};

function said(report: VerifyReport, how: Partial<How>): string {
  const words: string[] = [];
  const note = (text: string): void => void words.push(text);
  const say = { info: note, warn: note, error: note } as unknown as Parameters<typeof sumUp>[0]["say"];
  sumUp({ say } as Parameters<typeof sumUp>[0], report, { isResumed: false, isSample: false, isRepair: false, ...how });
  return words.join("; ");
}

test("what was interrupted is not called whole, and goes on as it was begun", () => {
  expect(said(nothing, {})).not.toContain("whole");
  expect(said(nothing, {})).toContain("coffer verify --resume");
  expect(said(nothing, { isRepair: true })).toContain("coffer verify --repair --resume");
  expect(said(nothing, { isSample: true })).not.toContain("--resume");
  const repair = { repaired: [], aside: [], closed: [], failed: [] };
  expect(said({ ...nothing, repair }, { isRepair: true })).toContain("coffer verify --repair, with the same --from, does the rest");
});
