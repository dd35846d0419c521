import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { log } from "../../src/registry/log.ts";
import type { Logged, LogRequest } from "../../src/registry/log.ts";
import type { TestStore } from "../support/store.ts";

/** What `log` is asked for when nothing is said. */
export function request(given: Partial<LogRequest> = {}): LogRequest {
  return { run: undefined, paths: [], particulars: {}, metrics: [], params: [], tags: [], ...given };
}

let number = 0;

/** Logs one new file. */
export async function logFile(
  test: TestStore,
  particulars: LogRequest["particulars"],
  given: Partial<LogRequest> & { as?: string; bytes?: string } = {},
): Promise<ArtifactRow> {
  const { as, bytes = `logged ${++number}`, ...rest } = given;
  const source = join(test.store.root, `../logged-${++number}`);
  writeFileSync(source, bytes);
  const { artifacts } = await log(test.store, request({ paths: [{ source, as: as ?? "file" }], particulars, ...rest }));
  return artifacts[0] as ArtifactRow;
}

export async function logNothing(test: TestStore, given: Partial<LogRequest>): Promise<Logged> {
  return log(test.store, request(given));
}
