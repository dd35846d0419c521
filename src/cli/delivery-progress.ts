import { formatBytes } from "../domain/quantity.ts";
import type { Progress } from "../sync/tally.ts";
import { writeAll } from "./io.ts";
import type { Io } from "./io.ts";

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR = 20;

export interface DeliveryProgress {
  show(progress: Progress): void;
  /** Takes the bar away, before a line of words is written. */
  clear(): void;
}

/** How far the uploads are: a bar on a terminal, a line each ten seconds elsewhere, nothing with --quiet or --json. */
export function deliveryProgress(io: Io): DeliveryProgress {
  const silent = io.quiet || io.json;
  const bar = !silent && process.stderr.isTTY === true;
  const began = io.now();
  let next = began + (bar ? 0 : LINE_MS);
  let drawn = false;
  let before = { run: "", bytes: 0 };
  /** Bytes of the runs that are through. */
  let earlier = 0;
  return {
    show(progress) {
      if (progress.run !== before.run) earlier += before.bytes;
      before = { run: progress.run, bytes: progress.bytes.done };
      const now = io.now();
      if (silent || now < next) return;
      next = now + (bar ? REDRAW_MS : LINE_MS);
      const seconds = (now - began) / 1000;
      const rate = seconds > 0.5 ? ` ${formatBytes(Math.round((earlier + progress.bytes.done) / seconds))}/s` : "";
      const { files, bytes } = progress;
      const words = `run ${progress.nth}/${progress.runs}: ${files.done}/${files.of} files, ${formatBytes(bytes.done)} of ${formatBytes(bytes.of)}${rate}`;
      if (!bar) return io.say.info(words);
      const share = bytes.of === 0 ? 1 : Math.min(1, bytes.done / bytes.of);
      const full = Math.round(share * BAR);
      writeAll(2, `\r\x1b[K[${"█".repeat(full)}${"·".repeat(BAR - full)}] ${words}`);
      drawn = true;
    },
    clear() {
      if (drawn) writeAll(2, "\r\x1b[K");
      drawn = false;
    },
  };
}
