import type { Place } from "../../cli/run-place.ts";
import { newest } from "../kill-at.ts";
import type { Scenario } from "../kill-at.ts";

/** It stays until there is a file `go`, or its wrapper is gone. */
const WORK =
  'cd $COFFER_WORKSPACE; head -c 9000000 /dev/urandom >m.bin; until [ -e "$COFFER_ROOT/../go" ] || ! kill -0 $PPID 2>/dev/null; do sleep 0.05; done';
const call = (...flags: string[]): string[] => ["run", ...flags, "--", "sh", "-c", WORK];
const go = (here: Place): unknown => here.write("go", "");

/** The command ends when its file was read, and the second one at once. */
const meanwhile = { at: "ahead.read", they: async (here: Place) => go(here) } as const;

const LEFT = "killed: , m.bin";

export const AHEAD: readonly Scenario[] = [
  {
    title: "a run whose output is being read while it goes on",
    call: call(),
    seen: newest,
    readsAhead: true,
    kills: [{ at: ["ahead.asked", "ahead.read"], after: LEFT }],
    mend: go,
    again: () => "finished: m.bin, m.bin",
  },
  {
    title: "a run whose output was read while it went on",
    call: call(),
    meanwhile,
    seen: newest,
    readsAhead: true,
    kills: [
      { at: ["ahead.ended", "ingest.staged", "ingest.placed"], after: LEFT },
      { at: ["ingest.committed"], after: "finished: m.bin, m.bin" },
    ],
    again: () => "finished: m.bin, m.bin",
  },
  {
    title: "a scratch run whose output was read while it went on",
    call: call("--policy", "scratch"),
    meanwhile,
    seen: newest,
    readsAhead: true,
    kills: [
      { at: ["ingest.moved-in", "ingest.placed"], after: LEFT },
      { at: ["ingest.committed"], after: "finished: m.bin, " },
    ],
    again: () => "finished: m.bin, gone",
  },
];
