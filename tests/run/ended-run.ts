import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beginRun } from "../../src/run/begin.ts";
import type { Begun } from "../../src/run/begin.ts";
import { snapshotWorkspace } from "../../src/run/workspace/empty-workspace.ts";
import type { End, Ended } from "../../src/run/finish.ts";
import type { RunRequest } from "../../src/run/run.ts";
import type { Store } from "../../src/store/store.ts";
import { openTestStore } from "../support/store.ts";

export const SUCCESS: End = {
  state: "finished",
  exit_code: 0,
  signal: null,
  ended_at: 1_700_000_000_000,
  cpu_user_ms: 1,
  cpu_system_ms: 1,
  max_rss: 1,
};

export interface EndedRun extends Disposable {
  store: Store;
  begun: Begun;
  request: RunRequest;
  ended: Ended;
}

interface Options {
  policy?: "separated" | "scratch";
  request?: Partial<RunRequest>;
  /** Configuration by dotted key. */
  set?: Record<string, unknown>;
}

/** A run in a store of its own whose child has just left these files behind; what comes next is the test's. */
export async function endedRun(
  files: Readonly<Record<string, string>>,
  { policy = "separated", request: given, set }: Options = {},
): Promise<EndedRun> {
  const test = await openTestStore({ "workspace.policy": policy, ...set });
  const { store } = test;
  const request = requestOf(given);
  const begun = await beginRun(store, request);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(begun.workspace, path)), { recursive: true });
    writeFileSync(join(begun.workspace, path), text);
  }
  const snapshot = policy === "scratch" ? snapshotWorkspace(begun.workspace) : undefined;
  // a pid beyond all that Linux gives
  const childPid = 0x7fff_fff0;
  return {
    store,
    begun,
    request,
    ended: { childPid, output: { logs: [], notes: [] }, code: undefined, snapshot },
    [Symbol.dispose]: () => test[Symbol.dispose](),
  };
}

export function requestOf(given: Partial<RunRequest> = {}): RunRequest {
  return {
    command: ["true"],
    cwd: "/",
    env: {},
    inputs: [],
    outputs: [],
    ignore: [],
    register: new Map(),
    paramFiles: [],
    metricFiles: [],
    params: [],
    tags: [],
    capture: false,
    shown: 1,
    keepFailed: false,
    skipArtifacts: false,
    ...given,
  };
}

/** Bytes that no other file has, too large for a pack. */
export function large(): string {
  return `${Bun.randomUUIDv7()}\n`.repeat(6000);
}
