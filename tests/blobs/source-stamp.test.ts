import { expect, test } from "bun:test";
import { lstatSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hasStamp, sourceStamp } from "../../src/blobs/source-stamp.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const at = (path: string) => lstatSync(path, { bigint: true });

test.each([
  ["is rewritten in place, with its times put back", (path: string) => writeFileSync(path, "bytes")],
  [
    "is replaced by another of the same size and times",
    (path: string) => {
      writeFileSync(`${path}-new`, "bytes");
      renameSync(`${path}-new`, path);
    },
  ],
  ["has other times", (path: string) => utimesSync(path, 1, 1)],
  ["has another size", (path: string) => writeFileSync(path, "byte")],
])("a file that %s has another stamp", async (_, change) => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "BYTES");
  utimesSync(root.at("f"), 5, 5);
  const stamp = sourceStamp(at(root.at("f")));
  expect(hasStamp(at(root.at("f")), stamp)).toBe(true);
  // a tick of the kernel's clock
  await Bun.sleep(20);
  change(root.at("f"));
  if (statSync(root.at("f")).mtimeMs !== 1000) utimesSync(root.at("f"), 5, 5);
  expect(hasStamp(at(root.at("f")), stamp)).toBe(false);
});
