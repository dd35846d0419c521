import { existsSync } from "node:fs";
import type { Place } from "../../cli/run-place.ts";
import { refs } from "../kill-at.ts";
import type { Scenario } from "../kill-at.ts";
import { did, fill, LARGE } from "./keeping.ts";

async function keepDirectory(here: Place): Promise<void> {
  fill(here, "d", 3);
  await did(here, "log", "d", "--name", "dir");
}

export const READING: readonly Scenario[] = [
  {
    title: "get of a directory",
    prepare: keepDirectory,
    call: ["get", "dir"],
    seen: refs,
    kills: [
      {
        at: [
          "lease.taken",
          "get.held",
          "cache.reserved",
          "place.written",
          "place.taken",
          "cache.copied",
          "cache.placed",
          "cache.entered",
          "lease.cleared",
        ],
        after: ["dir@v1"],
      },
    ],
    again: () => ["dir@v1"],
  },
  {
    title: "get -o of a directory",
    prepare: keepDirectory,
    call: ["get", "dir", "-o", "out"],
    seen: async (here) => existsSync(here.at("out")),
    kills: [{ at: ["place.written"], after: false }],
    again: () => true,
  },
  {
    title: "get -o of a file",
    prepare: async (here) => did(here, "log", here.write("m.bin", LARGE), "--name", "model"),
    call: ["get", "model", "-o", "out"],
    seen: async (here) => existsSync(here.at("out")),
    kills: [
      { at: ["place.written"], after: false },
      { at: ["rename.linked", "place.taken"], after: true },
    ],
    exit: (after) => (after === true ? 5 : 0),
    again: () => true,
  },
  {
    title: "cache clear",
    async prepare(here) {
      await keepDirectory(here);
      await did(here, "get", "dir");
    },
    call: ["cache", "clear"],
    seen: refs,
    kills: [{ at: ["cache.taken", "cache.evicted"], after: ["dir@v1"] }],
    again: () => ["dir@v1"],
  },
  {
    title: "a backup with bytes",
    async prepare(here) {
      await keepDirectory(here);
      await did(here, "log", here.write("m.bin", LARGE), "--name", "model");
    },
    call: ["backup", "saved", "--with-bytes"],
    seen: async (here) => (existsSync(here.at("saved")) ? (await here.coffer(["verify", "--root", here.at("saved")])).code : "absent"),
    kills: [
      { at: ["lease.taken", "backup.copied", "backup.filled", "place.written"], after: "absent" },
      { at: ["place.taken", "lease.cleared"], after: 0 },
    ],
    exit: (after) => (after === 0 ? 5 : 0),
    again: () => 0,
  },
];
