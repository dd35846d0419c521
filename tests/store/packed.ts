import { chmodSync, writeFileSync } from "node:fs";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { keep } from "./keep.ts";

/** A store with packed files: only those, and directories, are copied into the cache. */
export async function withPacked(count: number, cache: Record<string, unknown> = {}): Promise<{ test: TestStore; files: ArtifactRow[] }> {
  const test = await openTestStore(cache);
  using root = temporaryRoot();
  const units = Array.from({ length: Math.max(32, count) }, (_, i) => {
    writeFileSync(root.at(`f${i}`), `packed ${String(i).padStart(3, "0")}`);
    chmodSync(root.at(`f${i}`), 0o640);
    return { source: root.at(`f${i}`) };
  });
  const { result } = await keep(test, units);
  return { test, files: result.slice(0, count) };
}
