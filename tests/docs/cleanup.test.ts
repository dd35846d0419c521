import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { parse } from "yaml";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { binary } from "../support/coffer.ts";
import { codeSpans, section } from "./markdown.ts";
import { playPage, readPage } from "./page.ts";

const page = readPage("docs/cleanup.md");

test("things leave as docs/cleanup.md says", async () => {
  expect(await playPage(page, { onPath: dirname(binary()) })).toEqual([]);
}, 60_000);

test("the page has every key of cleanup_policy with its default", () => {
  const { enabled: _, ...policy } = DEFAULTS.artifact_store.cleanup_policy;
  const keys = codeSpans(section(page, "Rules"))
    .filter((code) => /^[a-z_]+: /.test(code))
    .map((code) => Object.keys(parse(code) as object)[0]);
  expect(keys.toSorted()).toEqual(Object.keys(policy).toSorted());
});
