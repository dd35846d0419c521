import { expect, test } from "bun:test";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { isOpenForWriting } from "../../src/blobs/open-for-writing.ts";
import { says } from "../support/appears.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const onLinux = test.skipIf(process.platform !== "linux");

onLinux("a file counts as open for writing as long as somebody has it so, and not when it is only read", () => {
  using root = temporaryRoot();
  const path = root.at("f");
  writeFileSync(path, "1");
  const reader = openSync(path, "r");
  const before = isOpenForWriting(reader);
  const writer = openSync(path, "r+");
  const meanwhile = isOpenForWriting(reader);
  closeSync(writer);
  expect([before, meanwhile, isOpenForWriting(reader)]).toEqual([false, true, false]);
  closeSync(reader);
});

onLinux("it cannot be asked of a descriptor that is none", () => {
  expect(isOpenForWriting(0x7fff_fff0)).toBeUndefined();
});

onLinux("who opens a file for writing while it is asked waits for an instant, and nobody is ended", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("f"), "1");
  const line = "i=0; while [ $i -lt 2000 ]; do : 3>>f || exit 1; i=$((i+1)); done; echo done >ready";
  const other = Bun.spawn(["sh", "-c", line], { cwd: root.path, stdio: ["ignore", "ignore", "ignore"] });
  const reader = openSync(root.at("f"), "r");
  const answers = new Set<boolean | undefined>();
  while (other.exitCode === null) {
    for (let i = 0; i < 200; i++) answers.add(isOpenForWriting(reader));
    await Bun.sleep(0);
  }
  closeSync(reader);
  expect([await says(root.at("ready")), answers.has(undefined)]).toEqual(["done\n", false]);
});
