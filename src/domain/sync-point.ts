import type { SyncPoint } from "./sync-points.ts";

/** Where a developer says what happens at which point (see `armSyncPoints`). A wrapped command never sees it. */
export const SYNC_POINTS_VARIABLE = "COFFER_SYNC_POINTS";

let reached: ((point: SyncPoint) => void) | undefined;

/** A step of a command has just been done, by its name. Nothing happens, unless somebody armed the points. */
export function syncPoint(point: SyncPoint): void {
  if (reached !== undefined) reached(point);
}

/** From here on `act` is called at each point. */
export function atSyncPoints(act: (point: SyncPoint) => void): void {
  reached = act;
}
