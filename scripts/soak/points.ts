import { SYNC_POINTS } from "../../src/domain/sync-points.ts";

/** Where most commands come by, and where each of these does. */
const ANYWHERE = ["transaction", "journal", "replace", "rename", "lease"];
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  log: ["pack", "ingest", "manifest"],
  run: ["ingest", "run", "scratch"],
  gc: ["gc", "pack"],
  get: ["get", "place", "cache"],
  cache: ["cache"],
  verify: ["repair"],
  rebuild: ["rebuild"],
  rm: ["mark"],
  restore: ["mark"],
  pin: ["mark"],
  unpin: ["mark"],
  alias: ["mark"],
  tag: ["mark"],
};

/** A point that a command may come by, chosen by a number; three in four are of its own work. */
export function pointOf([command = ""]: readonly string[], number: number): string {
  const rooms = number % 4 === 0 ? ANYWHERE : (ROOMS[command] ?? ANYWHERE);
  const points = Object.keys(SYNC_POINTS).filter((point) => rooms.includes(point.split(".")[0] as string));
  return points[Math.floor(number / 4) % points.length] as string;
}
