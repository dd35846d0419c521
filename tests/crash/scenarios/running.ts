import { closeSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "../../cli/run-place.ts";
import { SYNC_POINTS_VARIABLE } from "../../../src/domain/sync-point.ts";
import { newest } from "../kill-at.ts";
import type { At, Scenario } from "../kill-at.ts";
import { did, LARGE } from "./keeping.ts";

/** A file that is large enough not to go into a pack, a directory, and words. */
const WORK = "cd $COFFER_WORKSPACE; head -c 200000 /dev/zero >m.bin; mkdir d; for i in 1 2 3; do echo $i >d/$i; done; echo said";
const call = (...flags: string[]): string[] => ["run", "--capture", ...flags, "--", "sh", "-c", WORK];

const WHOLE = "finished: d m.bin stdout.log, d/1 d/2 d/3 m.bin";
const LEFT = "killed: stdout.log, d/1 d/2 d/3 m.bin";
const CLEARED = "finished: d m.bin stdout.log, gone";

const BEFORE_COMMIT: readonly At[] = [
  "run.ended",
  "run.outputs-found",
  "ingest.begun",
  "ingest.staged",
  "rename.linked@2",
  "rename.unlinked@2",
  "ingest.placed",
  "ingest.admitted",
  "run.outputs-registered",
  "ingest.recorded",
];

/** A run whose wrapper is killed here, in a store that has nothing else. */
async function killedRun(here: Place, at: At, ...flags: string[]): Promise<void> {
  const { signal } = await here.coffer(call(...flags), { env: { [SYNC_POINTS_VARIABLE]: `${at}=kill` } });
  if (signal !== "SIGKILL") throw new Error(`it did not come to ${at}`);
}

/** Descriptors of ours. */
const held: number[] = [];

const broken = (here: Place): string => join(here.root, "binaries");

export const RUNNING: readonly Scenario[] = [
  {
    title: "a run",
    prepare: async (here) => did(here, "log", here.write("old.bin", LARGE), "--name", "old"),
    call: call("--name", "one"),
    seen: newest,
    kills: [
      { at: ["lease.taken"], after: "finished: old.bin" },
      { at: ["run.begun"], after: "killed: , gone" },
      { at: ["run.workspace-made", "run.prepared"], after: "killed: , ", inTurn: true },
      { at: ["run.started", "run.start-recorded", ...BEFORE_COMMIT], after: LEFT, inTurn: true },
      {
        at: ["ingest.committed", "run.committed", "run.tidied", "ingest.closed", "lease.cleared", "replace.renamed", "manifest.written"],
        after: WHOLE,
      },
    ],
    again: () => WHOLE,
  },
  {
    title: "a scratch run",
    prepare: async (here) => did(here, "log", here.write("old.bin", LARGE), "--name", "old"),
    call: call("--policy", "scratch"),
    seen: newest,
    kills: [
      { at: ["ingest.moved-in", "ingest.placed", "ingest.recorded"], after: LEFT, inTurn: true },
      // whatever is left of the workspace stays, but for the names that blobs have
      { at: ["ingest.committed", "run.committed", "run.tidied", "scratch.begun"], after: "finished: d m.bin stdout.log, " },
      { at: ["scratch.emptied", "scratch.settled"], after: CLEARED },
    ],
    again: () => CLEARED,
  },
  {
    title: "a scratch run whose file somebody has open",
    call: call("--policy", "scratch"),
    meanwhile: {
      at: "scratch.begun",
      async they(here) {
        const { workspace } = await here.shown();
        held.push(openSync(join(workspace as string, "m.bin"), "r+"));
      },
    },
    mend() {
      closeSync(held.pop() as number);
    },
    seen: newest,
    kills: [{ at: ["scratch.copied", "scratch.replaced"], after: CLEARED }],
    again: () => CLEARED,
  },
  {
    title: "a scratch run whose workspace is half gone",
    call: call("--policy", "scratch"),
    seen: async (here) => (await newest(here)).replace(/, .*/, ""),
    kills: [{ at: ["scratch.removed-one", "scratch.removed-one@3"], after: "finished: d m.bin stdout.log" }],
    again: () => "finished: d m.bin stdout.log",
  },
  {
    title: "a run whose outputs cannot be stored",
    async prepare(here) {
      await did(here, "log", here.write("old.bin", LARGE), "--name", "old");
    },
    // the first time it breaks the store
    call: [
      "run",
      "--capture",
      "--",
      "sh",
      "-c",
      "cd $COFFER_WORKSPACE; echo model >m.bin; echo said; if [ ! -e $COFFER_ROOT/whole ]; then mv $COFFER_ROOT/binaries $COFFER_ROOT/whole; : >$COFFER_ROOT/binaries; fi",
    ],
    seen: newest,
    kills: [
      { at: ["run.unstored"], after: "killed: stdout.log, m.bin" },
      { at: ["run.unstored-recorded"], after: "finished: , m.bin stdout.log" },
    ],
    mend(here) {
      rmSync(broken(here));
      renameSync(join(here.root, "whole"), broken(here));
      mkdirSync(join(here.root, "whole"));
    },
    again: () => "finished: m.bin stdout.log, m.bin",
  },
  {
    title: "a run of what cannot be started",
    prepare: async (here) => here.write("script", "\x7fELF of another machine\0", 0o755),
    call: ["run", "--", "./script"],
    seen: newest,
    kills: [{ at: ["run.workspace-discarded"], after: "killed: , gone" }],
    exit: () => 126,
    again: (after) => after,
  },
  {
    title: "the adoption of a run",
    prepare: (here) => killedRun(here, "run.ended"),
    call: ["runs"],
    seen: newest,
    kills: [
      {
        at: [
          "adopt.claimed",
          "adopt.discarded",
          "ingest.staged",
          "ingest.placed",
          "ingest.recorded",
          "ingest.committed",
          "adopt.committed",
          "manifest.written",
        ],
        after: LEFT,
      },
    ],
    again: (after) => after,
  },
  {
    title: "the end of a removal that was interrupted",
    prepare: (here) => killedRun(here, "scratch.begun", "--policy", "scratch"),
    call: ["runs"],
    seen: newest,
    kills: [{ at: ["removal.unlinked", "ingest.closed", "removal.settled", "lease.cleared"], after: "finished: d m.bin stdout.log, " }],
    again: (after) => after,
  },
];
