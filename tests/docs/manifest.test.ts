import { expect, test } from "bun:test";
import { ITEM_KEYS } from "../../src/manifest/read/manifest-item.ts";
import { codeSpans, tableRows } from "./markdown.ts";
import { playPage, readPage } from "./page.ts";

const page = readPage("docs/manifest.md");

test("manifests go out and come in as docs/manifest.md says", async () => {
  expect(await playPage(page)).toEqual([]);
});

test("the page has the keys of the format, in their order", () => {
  const named = tableRows(page, "The format, key by key").flatMap(([keys = ""]) => codeSpans(keys));
  const from = named.indexOf("artifact_id");
  expect(named.slice(from)).toEqual([...ITEM_KEYS, "meta_config"]);
  expect(named.slice(0, from)).toEqual([
    "schema_version",
    "uid",
    "pipeline_id",
    "name",
    "dataset",
    "created_at",
    "metadata",
    "artifacts.schema_version",
    "artifacts.items",
    "coffer",
  ]);
});
