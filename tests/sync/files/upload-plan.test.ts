import { expect, test } from "bun:test";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import type { OutboxRow } from "../../../src/db/delivery/outbox.ts";
import type { Piece } from "../../../src/sync/files/lay-out.ts";
import { filesToSend, planUploads } from "../../../src/sync/files/upload-plan.ts";

function piece(sizes: Record<string, number>, contested = false): Piece {
  const files = Object.entries(sizes).map(([path, size]) => ({
    path,
    size,
    digest: { algorithm: "blake3" as const, hex: "ab".repeat(32) },
  }));
  return { entry: {} as OutboxRow, artifact: {} as ArtifactRow, files, contested };
}

const best = piece({ "models/best": 3 });
const models = piece({ "models/last": 5, "models/best": 3 });
const log = piece({ log: 1 }, true);

test("each file is sent once, the largest first, whoever has it", () => {
  expect(filesToSend([best, models, log]).map(({ path }) => path)).toEqual(["models/last", "models/best", "log"]);
  const { work, there, owners } = planUploads([best, models, log], new Map());
  expect(work).toEqual(filesToSend([best, models, log]));
  expect(there.size).toBe(0);
  expect(owners.get("models/best")).toEqual([best, models]);
});

test("a file of the right size is there, unless something else had its path", () => {
  const sizes = new Map([
    ["models/last", 4],
    ["models/best", 3],
    ["log", 1],
  ]);
  expect([...planUploads([best, models, log], sizes).there]).toEqual(["models/best"]);
});

test("where others send to the run as well only bytes that were read tell", () => {
  const sizes = new Map([
    ["models/last", 5],
    ["log", 1],
  ]);
  expect([...planUploads([models, log], sizes, new Set(["log"])).there]).toEqual(["log"]);
});
