import type { Store } from "../../store/store.ts";
import type { Begun } from "../begin.ts";
import type { RunRequest } from "../run.ts";
import type { AheadMemory } from "./wrapper/memory.ts";
import type { ReadingAhead } from "./wrapper/loop-over-workspace.ts";

/** A run that ends before has paid for a timer. */
const FIRST_LOOK_MS = 2_000;

/**
 * While the command works, large outputs that it has finished are read, hashed and made durable, so that its end need not wait for that. Nothing that fails here costs the run anything: what was
 * not read ahead is read at the end. Returns what ends it, to be called when the command has ended.
 *
 * `wrapper/` is done in this process: it looks for files, asks for them one by one, and remembers what was found out. `reader/` is done in one of its own, which `wrapper/start-reader.ts` starts.
 */
export function startReadingAhead(store: Store, begun: Begun, request: RunRequest): { end(): Promise<AheadMemory | undefined> } {
  // elsewhere nobody can tell whether a file is finished
  if (process.platform !== "linux" || !store.settings.values.workspace.hash_ahead) return { end: async () => undefined };
  let reading: Promise<ReadingAhead | undefined> | undefined;
  const timer = setTimeout(() => {
    reading = import("./wrapper/loop-over-workspace.ts")
      .then(({ loopOverWorkspace }) => loopOverWorkspace(store, begun, request))
      .catch(() => undefined);
  }, FIRST_LOOK_MS);
  timer.unref();
  return {
    async end() {
      clearTimeout(timer);
      return await (await reading)?.end();
    },
  };
}
