import { writeAll } from "./write-all.ts";
import type { Io } from "./io.ts";

/** What is done sooner shows nothing. */
const QUIETLY_MS = 500;
const REDRAW_MS = 100;
const LINE_MS = 5_000;

export interface WorkProgress {
  /** `deleting: 4000 of 12000 artifacts`: it is shown where it is time. */
  show(words: string): void;
  /** Takes the line away, before words are written. */
  clear(): void;
}

/** How far a long command is: one line on a terminal, redrawn ten times a second at most; elsewhere a line each five seconds; nothing with --quiet or --json. */
export function workProgress(io: Io): WorkProgress {
  if (io.quiet || io.json) return { show: () => undefined, clear: () => undefined };
  const began = performance.now();
  let last = began;
  let drawn = false;
  return {
    show(words) {
      const now = performance.now();
      // what stderr is takes longer to ask than most commands
      if (now - began < QUIETLY_MS || now - last < REDRAW_MS) return;
      if (process.stderr.isTTY) {
        // a line that is wider than the terminal would not go away again
        writeAll(2, `\r\x1b[K${words.slice(0, (process.stderr.columns || 80) - 1)}`);
        drawn = true;
      } else if (now - last < LINE_MS) return;
      else io.say.info(words);
      last = now;
    },
    clear() {
      if (drawn) writeAll(2, "\r\x1b[K");
      drawn = false;
    },
  };
}
