import { afterAll, beforeAll } from "bun:test";
import type { test as bunTest } from "bun:test";
import { mkdirSync } from "node:fs";
import type { CheckParts } from "../../scripts/stack/parts.ts";
import { startStack } from "../../scripts/stack/start-stack.ts";
import type { Stack } from "../../scripts/stack/start-stack.ts";
import { binary } from "./coffer.ts";
import { temporaryRoot } from "./temporary-root.ts";

const installed = JSON.parse(process.env["COFFER_TEST_STACK"] ?? "null") as CheckParts | null;

/** PostgreSQL, a browser and the rest, as `npm test` installs them. */
export function parts(): CheckParts {
  if (!installed) throw new Error("the parts of the stack are not installed; `npm test` does that");
  return installed;
}

/** Tests that need these parts: skipped aloud where they are not installed, and failing there under CI=true. */
export function needsStack(test: typeof bunTest): typeof bunTest {
  if (installed || process.env["CI"] === "true") return test;
  console.error("skipped: no PostgreSQL and no browser; `npm test` installs them (`npm test -- tests/stack` for some tests only)");
  return test.skip as typeof bunTest;
}

export interface RunningStack extends Pick<Stack, "uri" | "volume" | "startApp"> {
  /** Where the tests may put files. */
  directory: string;
}

/** For the tests of a file: the services of docker-compose.yml as processes, from the first test to the last. */
export function runningStack(): RunningStack {
  const running = {} as RunningStack;
  const owned = new AsyncDisposableStack();
  beforeAll(async () => {
    if (!installed) return;
    // built before anything waits for it
    binary();
    const root = temporaryRoot();
    owned.defer(() => root[Symbol.dispose]());
    const directory = root.at("stack");
    mkdirSync(directory);
    // variables of docker-compose.yml come from no environment of ours: its defaults are tested
    const stack = owned.use(await startStack({ directory, env: {}, parts: parts(), say: () => {} }));
    Object.assign(running, { directory: root.path, uri: stack.uri, volume: stack.volume, startApp: stack.startApp });
  }, 240_000);
  afterAll(() => owned.disposeAsync(), 60_000);
  return running;
}
