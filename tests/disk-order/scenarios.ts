import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Scenario, Step } from "./recording.ts";
import { SOURCES } from "./sources.ts";

const PROGRAM = `cp big "$COFFER_WORKSPACE/large.bin"; echo small >"$COFFER_WORKSPACE/small.txt"; echo '{"a": 1}' >"$COFFER_WORKSPACE/metrics.json"; echo printed`;
const run = (...flags: string[]): Step => ({ args: ["run", ...flags, "--register", "model=large.bin", "--", "sh", "-c", PROGRAM] });
const other: Step = { args: ["log", "other", "--name", "other"] };

/** What is done, by what it is called in the title of a test. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  "the first command of all": { before: [], steps: [{ args: ["log", "big", "--name", "big"] }], wholly: true },
  "a large file": { before: [other], steps: [{ args: ["log", "big", "--name", "big", "--tag", "a=b"] }], wholly: true },
  "a large file, while another process has the database open": {
    before: [other],
    steps: [{ args: ["log", "big", "--name", "big", "--tag", "a=b"] }],
    wholly: true,
    isOpenElsewhere: true,
  },
  "a large file, on a disk that others may share": {
    before: [other],
    steps: [{ args: ["log", "big", "--name", "big", "--tag", "a=b"] }],
    wholly: true,
    disk: "network",
  },
  "the first command of all, on a disk that others may share": {
    before: [],
    steps: [{ args: ["log", "big", "--name", "big"] }],
    wholly: true,
    disk: "network",
  },
  "many small files, in a pack": {
    before: [other],
    steps: [{ args: ["log", "many", "--name", "many", "--dataset", "d"] }, { args: ["log", "more", "--name", "many", "--dataset", "d"] }],
    wholly: true,
  },
  "a run whose workspace stays": { before: [other], steps: [run()], wholly: true },
  "a run whose files move into the store": {
    before: [other],
    steps: [run("--policy", "scratch")],
    wholly: true,
    commits: ({ op, path }) => op === "unlink" && /work\/runs\/[^/]+\/large/.test(path),
  },
  "marks and removals": {
    before: [other, { args: ["log", "big", "--name", "other"] }],
    steps: [
      { args: ["alias", "other@v1", "best"] },
      { args: ["tag", "other@v1", "a=b"] },
      { args: ["pin", "other@v2", "--note", "keep"] },
      { args: ["alias", "other@best", "--remove"] },
      { args: ["rm", "other@v1"] },
      { args: ["restore", "other@v1"] },
    ],
    wholly: true,
  },
  "a sweep that deletes files and rewrites a pack": {
    before: [
      other,
      { args: ["log", "big", "--name", "big"] },
      { args: ["log", "many", "--name", "many"] },
      { args: ["log", "many/3", "--name", "three"] },
      { args: ["rm", "big"] },
      { args: ["rm", "many"] },
    ],
    steps: [{ args: ["gc", "--grace", "0", "--apply"] }],
    wholly: false,
  },
  "a dataset that goes, and of which others have a part": {
    before: [
      { args: ["log", "big", "--name", "big", "--dataset", "old"] },
      { args: ["log", "many", "--name", "many", "--dataset", "old"] },
      { args: ["log", "big", "--name", "same", "--dataset", "new"] },
      { args: ["log", "many/3", "--name", "three", "--dataset", "new"] },
    ],
    steps: [{ args: ["artifacts", "purge", "--dataset", "old", "--force", "--yes"] }],
    wholly: false,
  },
  "a repair of a file and of a pack": {
    before: [
      { args: ["log", "big", "--name", "big"] },
      { args: ["log", "many", "--name", "many"] },
      { args: [], damage: (store) => flip(store, "binaries/default/file_*", 1000) },
      { args: [], damage: (store) => flip(store, "binaries/default/packs/*.tar", 700) },
    ],
    steps: [{ args: ["verify", "--repair", "--from", SOURCES] }],
    mend: ["verify", "--repair", "--from", SOURCES],
    wholly: false,
  },
  "a database that is made again": {
    before: [other, { args: ["log", "many", "--name", "many"] }, { args: ["alias", "other@v1", "best"] }],
    steps: [{ args: ["rebuild", "--force"] }],
    mend: ["rebuild", "--force"],
    wholly: false,
  },
};

/** A byte is changed, by nobody who knows of the store. */
function flip(store: string, pattern: string, at: number): { path: string; bytes: Buffer } {
  const [name] = [...new Bun.Glob(pattern).scanSync(store)] as [string];
  const bytes = readFileSync(join(store, name));
  bytes[at] = (bytes[at] as number) ^ 1;
  return { path: join(store, name), bytes };
}
