import { expect, test } from "bun:test";
import { makeIo } from "../../src/cli/io.ts";

test("flags that come after the settings were read are a bug of the command, not left out in silence", async () => {
  const io = makeIo({ root: undefined, config: undefined, help: false, json: false, quiet: true, verbose: false });
  const settings = await io.settings({ "workspace.policy": "scratch" });
  expect(settings.values.workspace.policy).toBe("scratch");
  expect(await io.settings()).toBe(settings);
  expect(() => io.settings({ "workspace.policy": "separated" })).toThrow("read already");
});
