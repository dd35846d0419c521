import { existsSync } from "node:fs";
import type { Place } from "../../cli/run-place.ts";
import { refs } from "../kill-at.ts";
import type { Scenario } from "../kill-at.ts";
import { did, fill, LARGE } from "./keeping.ts";

const GC = ["gc", "--apply", "--grace", "0"];

/** Two names that go and one that stays; one of those that go has the bytes of the one that stays, and one is a directory that shares files with another. */
async function garbage(here: Place): Promise<void> {
  for (const [name, bytes] of [
    ["old", LARGE],
    ["gone", `${LARGE}!`],
    ["twin", LARGE],
  ] as const)
    await did(here, "log", here.write(`${name}.bin`, bytes), "--name", name);
  fill(here, "d", 3);
  await did(here, "log", "d", "--name", "gone-too");
  for (const name of ["gone", "twin", "gone-too"]) await did(here, "rm", name);
}

/** Files of `binaries/` that rows of dead artifacts name alone. */
async function bins(here: Place): Promise<unknown> {
  return { refs: await refs(here), files: here.binaries().length };
}

export const COLLECTING: readonly Scenario[] = [
  {
    title: "gc",
    prepare: garbage,
    call: GC,
    seen: bins,
    kills: [
      { at: ["lease.taken", "gc.begun", "gc.buried", "gc.trashing", "gc.trashed"], after: { refs: ["old@v1"], files: 6 }, inTurn: true },
    ],
    again: () => ({ refs: ["old@v1"], files: 1 }),
  },
  {
    title: "gc that has begun to move files away",
    prepare: garbage,
    call: GC,
    seen: refs,
    kills: [
      {
        at: [
          "gc.moved-away",
          "gc.moved-away@2",
          "gc.forgotten",
          "gc.unlinking",
          "gc.unlinked",
          "gc.trashing@2",
          "gc.trashed@2",
          "gc.forgotten@2",
          "gc.unlinking@2",
          "gc.done",
          "lease.cleared",
        ],
        after: ["old@v1"],
      },
    ],
    again: () => ["old@v1"],
  },
  {
    title: "gc of more files than it takes at once",
    async prepare(here) {
      for (let nth = 0; nth < 260; nth++) here.write(`many/${nth}`, `${nth} ${LARGE}`);
      await did(here, "log", "many", "--name", "gone");
      await did(here, "log", here.write("old.bin", LARGE), "--name", "old");
      await did(here, "rm", "gone");
    },
    call: GC,
    seen: bins,
    // its list lies in a pack, which goes last
    kills: [
      { at: ["gc.unlinking", "gc.trashed@3"], after: { refs: ["old@v1"], files: 12 } },
      { at: ["gc.unlinking@2"], after: { refs: ["old@v1"], files: 2 } },
      { at: ["gc.unlinking@3"], after: { refs: ["old@v1"], files: 1 } },
    ],
    again: () => ({ refs: ["old@v1"], files: 1 }),
  },
  {
    title: "gc that writes a pack anew",
    async prepare(here) {
      fill(here, "d");
      await did(here, "log", "d", "--name", "gone");
      fill(here, "few", 5);
      await did(here, "log", "few", "--name", "few");
      await did(here, "rm", "gone");
    },
    call: GC,
    seen: async (here) => ({ refs: await refs(here), packs: here.binaries().filter((name) => name.endsWith(".tar")).length }),
    kills: [
      { at: ["gc.repacking", "pack.written", "pack.flushed", "gc.moved-away"], after: { refs: ["few@v1"], packs: 1 } },
      { at: ["gc.repack-placed", "gc.repacked"], after: { refs: ["few@v1"], packs: 2 } },
    ],
    again: () => ({ refs: ["few@v1"], packs: 1 }),
  },
  {
    title: "a purge of a dataset that shares bytes with another",
    async prepare(here) {
      await did(here, "log", here.write("m.bin", LARGE), "--name", "gone", "--dataset", "corn");
      await did(here, "log", "m.bin", "--name", "kept", "--dataset", "wheat");
    },
    call: ["artifacts", "purge", "--dataset", "corn", "--force", "--yes"],
    goes: ["gone@v1"],
    seen: async (here) => (await refs(here)).includes("kept@v1"),
    kills: [{ at: ["gc.buried", "gc.rehouse-named", "gc.rehoused", "gc.moved-away", "gc.unlinked", "gc.done"], after: true }],
    // where the first call came to the end of the artifacts, the dataset is none any more
    exit: () => 0,
    again: () => true,
  },
  {
    title: "gc of workspaces, and of staging that belongs to nobody",
    async prepare(here) {
      await did(here, "run", "--name", "one", "--", "sh", "-c", "echo model >$COFFER_WORKSPACE/m.bin");
      here.write("artifacts/tmp/0192f000-0000-7000-8000-000000000000/half", "half");
    },
    call: ["gc", "--workspaces", "--orphans", "--grace", "0", "--apply"],
    seen: async (here) => {
      const { workspace } = await here.shown();
      return existsSync(workspace as string);
    },
    kills: [
      { at: ["gc.staging-removed"], after: true },
      { at: ["gc.workspace-removed"], after: false },
    ],
    again: () => false,
  },
];
