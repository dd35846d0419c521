import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { binary } from "../support/coffer.ts";
import { playPage, readPage } from "./page.ts";

test("outputs become artifacts as docs/outputs-and-artifacts.md says", async () => {
  expect(await playPage(readPage("docs/outputs-and-artifacts.md"), { onPath: dirname(binary()) })).toEqual([]);
});
