import { existsSync, mkdirSync, statfsSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { loadSettings } from "../../../../src/config/settings.ts";
import type { AheadRequest } from "../../../../src/run/ahead/reader/read-finished.ts";
import { loopOverWorkspace } from "../../../../src/run/ahead/wrapper/loop-over-workspace.ts";
import { AheadMemory } from "../../../../src/run/ahead/wrapper/memory.ts";
import { roomToLeave } from "../../../../src/run/ahead/wrapper/room-to-leave.ts";
import type { ReaderProcess } from "../../../../src/run/ahead/wrapper/start-reader.ts";
import { takeLease } from "../../../../src/store/lease.ts";
import { openStore } from "../../../../src/store/store.ts";
import { needsExactTimes } from "../../../support/exact-times.ts";
import { fillDisk, mountExt4, needsMount } from "../../../support/mount.ts";
import { temporaryRoot } from "../../../support/temporary-root.ts";

const mounted = needsMount(needsExactTimes(test));

const LARGE = 9_000_000;

interface Disk {
  /** Of the store, where copies go. */
  path: string;
  /** Reads the workspace, which lies elsewhere, ahead; `ask` is what the reader does. */
  read(ask: ReaderProcess["ask"], files?: AheadMemory): { end(): Promise<unknown> } | undefined;
}

/** Calls `work` with a store on a small disk, and with a workspace of so many large files that are finished. */
async function withFiles(count: number, work: (disk: Disk) => Promise<void>): Promise<void> {
  using root = temporaryRoot();
  using _disk = mountExt4(root.at("store"), "200m");
  mkdirSync(root.at("w"));
  const settings = await loadSettings({
    flags: { root: root.at("store"), set: { "workspace.root": root.at("work") } },
    env: {},
    cwd: root.path,
  });
  using store = openStore(settings, { make: true, now: Date.now, say: () => undefined });
  const lease = takeLease(store, "run");
  mkdirSync(store.path("tmp", lease.token), { recursive: true });
  for (let nth = 0; nth < count; nth++) {
    writeFileSync(root.at(`w/${nth}`), "");
    truncateSync(root.at(`w/${nth}`), LARGE);
  }
  await Bun.sleep(2_100);
  const request = { env: {}, ignore: [], outputs: [], register: new Map<string, readonly string[]>() };
  await work({
    path: root.at("store"),
    read: (ask, files = new AheadMemory()) =>
      loopOverWorkspace(store, { workspace: root.at("w"), lease }, request, { start: () => ({ ask, end: async () => undefined }), files }),
  });
}

mounted.each([
  [2.5, false],
  [3.5, true],
])("a copy is made only where two more of it would find room beyond what is to be left: with %d of it free, %p", async (times, made) => {
  await withFiles(1, async ({ path, read }) => {
    fillDisk(path, Math.ceil((roomToLeave(statfsSync(path), LARGE) + times * LARGE) / 1024));
    const asked = Promise.withResolvers<AheadRequest>();
    const reading = read(async (request) => void asked.resolve(request));
    expect((await asked.promise).copy !== undefined).toBe(made);
    await reading?.end();
  });
});

mounted("copies that were made ahead are given up while another file is read", async () => {
  await withFiles(2, async ({ path, read }) => {
    const given = Promise.withResolvers<void>();
    class Told extends AheadMemory {
      override async forgetCopy(): Promise<boolean> {
        const isOne = await super.forgetCopy();
        if (isOne) given.resolve();
        return isOne;
      }
    }
    const copies: string[] = [];
    const reading = read(async ({ copy, stamp }) => {
      if (copies.length > 0) {
        fillDisk(path, 4 << 10);
        // it takes for ever
        return await new Promise<undefined>(() => undefined);
      }
      copies.push(copy?.to as string);
      writeFileSync(copy?.to as string, "a copy");
      return { hex: "ab".repeat(32), copy: stamp };
    }, new Told());
    await given.promise;
    expect(copies.map((one) => existsSync(one))).toEqual([false]);
    await reading?.end();
  });
});
