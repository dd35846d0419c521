import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { binary } from "../support/coffer.ts";
import { playPage, readPage } from "./page.ts";

test("what is lost comes back as docs/recovery.md says", async () => {
  expect(await playPage(readPage("docs/recovery.md"), { onPath: dirname(binary()) })).toEqual([]);
}, 60_000);
