import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { journalRun } from "../../../src/store/database/journal-run.ts";
import { openTestStore } from "../../support/store.ts";

test("what was logged at once is told in lines that fit into memory, the first of them telling of the run", async () => {
  using test = await openTestStore();
  const { store } = test;
  const run = test.run({ state: "running" });
  const artifact = await test.add({ run });
  store.transaction(() =>
    journalRun(
      store,
      run,
      Array.from({ length: 600 }, () => artifact),
      "run",
    ),
  );
  const lines = readFileSync(store.path("manifests/journal.jsonl"), "utf8").trim().split("\n");
  const told = lines.map((line) => JSON.parse(line) as { run: string; about?: unknown; artifacts: unknown[] });
  expect(told.map((line) => [line.run, line.about !== undefined, line.artifacts.length])).toEqual([
    [run.id, true, 256],
    [run.id, false, 256],
    [run.id, false, 88],
  ]);
});
