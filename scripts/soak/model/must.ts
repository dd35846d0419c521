import { words } from "../call.ts";
import type { Called } from "../call.ts";
import { differ } from "../difference.ts";
import type { World } from "./world.ts";

/** A command that nothing can keep from its work. */
export async function must({ caller }: World, args: readonly string[]): Promise<Called> {
  const called = await caller.call(args);
  if (called.code !== 0) differ(words(called));
  return called;
}
