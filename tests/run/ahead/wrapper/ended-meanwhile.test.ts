import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test as anyTest } from "bun:test";
import { AheadMemory } from "../../../../src/run/ahead/wrapper/memory.ts";
import { loopOverWorkspace } from "../../../../src/run/ahead/wrapper/loop-over-workspace.ts";
import type { ReadingAhead } from "../../../../src/run/ahead/wrapper/loop-over-workspace.ts";
import { takeLease } from "../../../../src/store/lease.ts";
import { needsExactTimes } from "../../../support/exact-times.ts";
import { openTestStore } from "../../../support/store.ts";
import { temporaryRoot } from "../../../support/temporary-root.ts";

const test = needsExactTimes(anyTest);

/** Begins to read a workspace with a finished large file in it, and with one gone that was read before. Tells what happens, in order. */
async function readWhereOneIsGone(root: string, whileItsCopyGoes: (reading: ReadingAhead) => void): Promise<string[]> {
  using t = await openTestStore();
  const told: string[] = [];
  const begun = Promise.withResolvers<void>();
  class Removing extends AheadMemory {
    override async forget(path: string): Promise<void> {
      told.push("removed");
      whileItsCopyGoes(reading);
      await super.forget(path);
      // the loop goes on before anything else does
      setImmediate(begun.resolve);
    }
  }
  const files = new Removing();
  const stamp = { size: 1n, mtime_ns: 1n, ctime_ns: 1n, inode: 1n, device: 1n };
  files.set(`${root}/gone`, { stamp, hex: "ab".repeat(32), flushed: true, copy: undefined });
  const start = () => ({
    ask: async () => void told.push("asked"),
    end: async () => void told.push("ended"),
  });
  const request = { env: {}, ignore: [], outputs: [], register: new Map<string, readonly string[]>() };
  const reading = loopOverWorkspace(t.store, { workspace: root, lease: takeLease(t.store, "run") }, request, {
    start,
    files,
  }) as ReadingAhead;
  await begun.promise;
  await reading.end();
  return told;
}

test("no reader is started when the command has ended while a copy was removed", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("w"));
  writeFileSync(root.at("w/m"), "");
  truncateSync(root.at("w/m"), 9_000_000);
  await Bun.sleep(2_100);
  expect(await readWhereOneIsGone(root.at("w"), () => undefined)).toEqual(["removed", "asked", "ended"]);
  expect(await readWhereOneIsGone(root.at("w"), (reading) => void reading.end())).toEqual(["removed"]);
});
