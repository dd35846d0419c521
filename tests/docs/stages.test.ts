import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { configKeys } from "../../src/config/settings.ts";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { STAGES } from "../../src/domain/stage.ts";
import { binary } from "../support/coffer.ts";
import { codeSpans, section, tableRows } from "./markdown.ts";
import { playPage, readPage } from "./page.ts";

const page = readPage("docs/stages.md");

test("stages do what docs/stages.md says", async () => {
  expect(await playPage(page, { onPath: dirname(binary()) })).toEqual([]);
});

test("the page has every stage with each of its switches, and the filter's patterns", () => {
  let stage = "";
  const shown = tableRows(page, "In short").map(([name = "", , key = ""]) => {
    stage = codeSpans(name)[0] ?? stage;
    return `tracking.${stage}.${codeSpans(key)[0]}`;
  });
  const keys = configKeys().filter((key) => STAGES.some((name) => key.startsWith(`tracking.${name}.log_`)));
  expect(shown.toSorted()).toEqual(keys.toSorted());
  const spans = codeSpans(section(page, "What is left out"));
  for (const pattern of DEFAULTS.tracking.skip.patterns) expect(spans).toContain(pattern);
  for (const key of Object.keys(DEFAULTS.tracking.skip)) expect(spans).toContain(key);
});
