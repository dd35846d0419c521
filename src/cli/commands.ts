import type { Command } from "./command.ts";

interface Entry {
  summary: string;
  /** Loaded when it is called, so that a start costs the same whatever the others weigh. */
  load: () => Promise<{ default: Command<never> }>;
}

/** Every command by the words that call it. */
export const COMMANDS: Record<string, Entry> = {
};
