import type { Place } from "../../cli/run-place.ts";
import { refs } from "../kill-at.ts";
import type { Scenario } from "../kill-at.ts";

export const LARGE = "0123456789abcdef".repeat(20_000);

/** Calls a command that has to succeed. */
export async function did(here: Place, ...args: string[]): Promise<void> {
  const { code, stderr } = await here.coffer(args);
  if (code !== 0) throw new Error(stderr);
}

/** A directory of small files, enough of them for a pack. */
export function fill(here: Place, directory: string, count = 40): void {
  for (let nth = 0; nth < count; nth++) here.write(`${directory}/${nth}`, `file ${nth}\n`);
}

const keepOld = async (here: Place): Promise<void> => did(here, "log", here.write("old.bin", LARGE), "--name", "old");

/** Of what the first call has kept, the second one makes the next version. */
const nextVersion = (after: unknown): string[] => {
  const before = after as string[];
  return [...before, before.includes("model@v1") ? "model@v2" : "model@v1"].toSorted();
};

const MANIFEST = `schema_version: "2.0"
uid: "4b975cbc-0f73-4481-b99a-0c793bbe19bf"
pipeline_id: "0001_pls"
name: pls
dataset: corn
created_at: "2026-05-01T10:00:00+00:00"
metadata: {}
artifacts:
  schema_version: "2.0"
  items:
    - artifact_id: "0001_pls:0:all"
      content_hash: "sha256:${new Bun.CryptoHasher("sha256").update("the scaler").digest("hex")}"
      path: scaler.joblib
      pipeline_id: "0001_pls"
      branch_path: []
      step_index: 0
      fold_id: null
      artifact_type: transformer
      class_name: Scaler
      depends_on: []
      format: joblib
      format_version: "1"
      size_bytes: 10
      created_at: "2026-05-01T10:00:00+00:00"
      params: {}
      version: 1
`;

export const KEEPING: readonly Scenario[] = [
  {
    title: "the first log of a new store",
    prepare: async (here) => here.write("m.bin", LARGE),
    call: ["log", "m.bin", "--name", "model"],
    seen: refs,
    kills: [{ at: ["database.made", "database.migrating", "database.migrated", "ingest.begun"], after: [] }],
    again: nextVersion,
  },
  {
    title: "a log of a file",
    async prepare(here) {
      await keepOld(here);
      here.write("m.bin", `${LARGE}!`);
    },
    call: ["log", "m.bin", "--name", "model"],
    seen: refs,
    kills: [
      {
        at: [
          "transaction.begun",
          "transaction.done",
          "transaction.committed",
          "lease.taken",
          "ingest.begun",
          "ingest.copied",
          "ingest.asked",
          "ingest.staged",
          "rename.linked",
          "rename.unlinked",
          "ingest.placed-one",
          "ingest.placed",
          "transaction.begun@2",
          "ingest.admitted",
          "ingest.recorded",
          "transaction.done@2",
        ],
        after: ["old@v1"],
        inTurn: true,
      },
      {
        at: ["transaction.committed@2", "ingest.committed", "replace.written", "replace.renamed", "manifest.written", "transaction.done@3"],
        after: ["model@v1", "old@v1"],
      },
    ],
    again: nextVersion,
  },
  {
    title: "a log of bytes that the store has",
    prepare: keepOld,
    call: ["log", "old.bin", "--name", "model"],
    seen: refs,
    kills: [
      { at: ["ingest.asked", "ingest.staged", "ingest.admitted", "ingest.recorded"], after: ["old@v1"], inTurn: true },
      { at: ["ingest.committed"], after: ["model@v1", "old@v1"] },
    ],
    again: nextVersion,
  },
  {
    title: "a log of bytes that gc takes meanwhile",
    async prepare(here) {
      await keepOld(here);
      await did(here, "log", here.write("m.bin", `${LARGE}!`), "--name", "gone");
    },
    call: ["log", "m.bin", "--name", "model"],
    meanwhile: {
      at: "ingest.staged",
      async they(here) {
        await did(here, "rm", "gone");
        await did(here, "gc", "--apply", "--grace", "0");
      },
    },
    goes: ["gone@v1"],
    seen: refs,
    kills: [{ at: ["ingest.vanished", "ingest.staged@2", "ingest.placed@2"], after: ["old@v1"] }],
    again: nextVersion,
  },
  {
    title: "a log of a directory of small files",
    async prepare(here) {
      await keepOld(here);
      fill(here, "d");
    },
    call: ["log", "d", "--name", "model"],
    seen: refs,
    kills: [
      {
        at: ["ingest.asked@20", "pack.written", "pack.flushed", "rename.linked", "ingest.pack-placed"],
        after: ["old@v1"],
        inTurn: true,
      },
      { at: ["ingest.committed"], after: ["model@v1", "old@v1"] },
    ],
    again: nextVersion,
  },
  {
    title: "a log of a checkpoint's archive, whose file becomes the blob",
    async prepare(here) {
      await keepOld(here);
      fill(here, "c", 3);
    },
    call: ["log", "--stage", "hpo", "--trial", "3", "--checkpoint", "c", "--name", "model"],
    seen: async (here) => (await refs(here)).filter((ref) => ref.includes("@")),
    kills: [
      { at: ["ingest.moved-in", "ingest.placed", "ingest.recorded"], after: ["old@v1"], inTurn: true },
      { at: ["ingest.committed", "ingest.closed", "lease.cleared"], after: ["model@v1", "old@v1"] },
    ],
    again: nextVersion,
  },
  {
    title: "an import with its bytes",
    async prepare(here) {
      await keepOld(here);
      here.write("w/binaries/corn/scaler.joblib", "the scaler");
      here.write("w/runs/corn/0001_pls/manifest.yaml", MANIFEST);
    },
    call: ["manifest", "import", "w", "--copy"],
    seen: refs,
    kills: [
      { at: ["ingest.placed", "ingest.committed", "import.taken", "import.recorded"], after: ["old@v1"], inTurn: true },
      { at: ["import.committed", "manifest.written"], after: ["0001_pls:0:all@v1", "old@v1"] },
    ],
    again: () => ["0001_pls:0:all@v1", "old@v1"],
  },
  {
    title: "rm of all that a pipeline made",
    async prepare(here) {
      await keepOld(here);
      for (const name of ["a", "b"]) await did(here, "log", here.write(`${name}.bin`, name), "--name", name, "--step", "p:0:all");
    },
    call: ["rm", "--pipeline", "p"],
    seen: refs,
    goes: ["a@v1", "b@v1"],
    kills: [
      { at: ["transaction.begun", "mark.written", "transaction.done"], after: ["a@v1", "b@v1", "old@v1"], inTurn: true },
      { at: ["transaction.committed", "journal.written", "journal.flushed", "transaction.committed@2"], after: ["old@v1"] },
    ],
    // there is nothing of it in sight any more
    exit: (after) => ((after as string[]).length === 1 ? 4 : 0),
    again: () => ["old@v1"],
  },
  {
    title: "restore of all that a pipeline made",
    async prepare(here) {
      for (const name of ["a", "b"]) await did(here, "log", here.write(`${name}.bin`, name), "--name", name, "--step", "p:0:all");
      await did(here, "rm", "--pipeline", "p");
    },
    call: ["restore", "--pipeline", "p"],
    seen: refs,
    kills: [
      { at: ["mark.written", "transaction.done"], after: [], inTurn: true },
      { at: ["transaction.committed", "journal.written", "journal.flushed"], after: ["a@v1", "b@v1"] },
    ],
    exit: (after) => ((after as string[]).length === 2 ? 4 : 0),
    again: () => ["a@v1", "b@v1"],
  },
];
