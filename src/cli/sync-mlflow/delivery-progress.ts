import type { Progress } from "../../sync/tally.ts";
import { Pace, paceWords } from "./delivery-pace.ts";
import type { Standing } from "./delivery-pace.ts";
import { writeAll } from "../write-all.ts";
import type { Io } from "../io.ts";

const REDRAW_MS = 100;
/** A stalled upload tells nothing, and its pace is to be seen to fall. */
const STALE_MS = 1_000;
const LINE_MS = 5_000;
const EVENT_MS = 1_000;
const BAR = 20;

export interface DeliveryProgress {
  show(progress: Progress): void;
  /** Takes the bar away, before a line of words is written; until something moves there is none. */
  clear(): void;
}

/**
 * How far the uploads are: one line on a terminal, redrawn ten times a second at most; elsewhere a line each five seconds; with `tell` an event
 * a second instead; nothing with --quiet or --json.
 */
export function deliveryProgress(io: Io, tell?: (standing: Standing) => void): DeliveryProgress {
  if (!tell && (io.quiet || io.json)) return { show: () => undefined, clear: () => undefined };
  const bar = !tell && process.stderr.isTTY === true;
  const every = tell ? EVENT_MS : bar ? REDRAW_MS : LINE_MS;
  const pace = new Pace();
  // on a terminal the first one comes at once
  let next = io.now() + (bar ? 0 : every);
  let drawn = false;
  let latest: Progress | undefined;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    if (!latest) return;
    const now = io.now();
    const standing = pace.see(latest, now);
    if (now < next) return;
    next = now + every;
    if (tell) return tell(standing);
    if (!bar) return io.say.info(paceWords(standing));
    writeAll(2, `\r\x1b[K${barOf(standing, process.stderr.columns)}`);
    drawn = true;
  };
  return {
    show(progress) {
      latest = progress;
      draw();
      // it holds nothing up: a process that is done ends
      timer ??= setInterval(draw, STALE_MS).unref();
    },
    clear() {
      clearInterval(timer);
      timer = latest = undefined;
      if (drawn) writeAll(2, "\r\x1b[K");
      drawn = false;
    },
  };
}

/** A line that is wider than the terminal would not go away again. */
function barOf(standing: Standing, columns: number | undefined): string {
  const { points, bytes, files } = standing;
  const { done, of } = points.done < points.of ? points : bytes.of > 0 ? bytes : files;
  const full = Math.round((of === 0 ? 1 : Math.min(1, done / of)) * BAR);
  return `[${"█".repeat(full)}${"·".repeat(BAR - full)}] ${paceWords(standing)}`.slice(0, (columns || 80) - 1);
}
