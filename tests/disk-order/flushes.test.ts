import { test as bunTest, expect } from "bun:test";
import { needsDisk } from "../support/disk/mount-disk.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { firstFault, kindOf, without } from "./necessity.ts";
import { record } from "./recording.ts";
import { SCENARIOS } from "./scenarios.ts";

const test = needsDisk(bunTest);

/** What is flushed, and without which flush something is lost: so whoever takes one away from the code makes the tests of the cuts fail. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "the first command of all": ["the root", "coffer.db", "tmp/ID/blob-N", "binaries", "binaries/default", "manifests/NEW", "manifests"],
  "a large file, while another process has the database open": ["coffer.db-wal"],
  "many small files, in a pack": ["tmp/ID/pack-N", "binaries/d", "binaries/d/packs"],
  "a run whose files move into the store": ["coffer.db-wal", "work/runs/ID/large.bin", "tmp/ID/stdout.log"],
  "a sweep that deletes files and rewrites a pack": ["tmp/ID/pack-ID", "binaries/default/packs", "manifests/journal.jsonl"],
  "marks and removals": ["manifests/journal.jsonl"],
  "a dataset that goes, and of which others have a part": ["binaries/new", "tmp/ID/pack-ID", "binaries/new/packs"],
  "a repair of a file and of a pack": ["tmp/ID/copy-HEX-N", "binaries/default"],
  "a database that is made again": ["coffer.db.new"],
};

for (const [name, kinds] of Object.entries(NEEDED))
  test(`each of these flushes is needed: ${name}`, async () => {
    using root = temporaryRoot();
    const recording = await record(SCENARIOS[name] as (typeof SCENARIOS)[string], root);
    // with all of them nothing is lost, so what is found below comes of the one that is missing
    expect((await firstFault(recording, recording.from, "at the ends")).fault).toBeUndefined();
    const unneeded: string[] = [];
    for (const kind of kinds) {
      const first = recording.operations.findIndex(
        (operation, index) => index >= recording.from && operation.op === "sync" && kindOf(operation) === kind,
      );
      expect([kind, first >= 0]).toEqual([kind, true]);
      const { fault } = await firstFault(
        without(recording, (operation) => kindOf(operation) === kind),
        first,
      );
      if (fault === undefined) unneeded.push(kind);
    }
    expect(unneeded).toEqual([]);
  });
