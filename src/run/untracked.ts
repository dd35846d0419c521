import { spawnChild } from "./child/child.ts";
import type { RunRequest, Wrapper } from "./run.ts";

/** Runs the command as if coffer were not there: the terminal, the signals and the exit code are the child's, and nothing is kept. */
export async function runUntracked(request: RunRequest, { signals, ignored, descriptors }: Wrapper): Promise<number> {
  const child = spawnChild({
    ...request,
    ignored,
    descriptors,
    signals,
    extraEnv: { COFFER_RUN_ID: "" },
    streams: { stdout: 1, stderr: 2 },
    now: Date.now,
  });
  return (await child.ended).code;
}
