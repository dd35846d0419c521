import { formatBytes } from "../../domain/quantity.ts";
import type { Log } from "./output-log.ts";

/** What a log has not got of what was printed; both in bytes. `complaint`: what its writer said, whose last words are the reason. */
export function missingWords(name: Log["name"], kept: number, printed: number, complaint: string | undefined): string {
  const why = complaint === undefined ? "" : ` (${complaint.slice(complaint.lastIndexOf(": ") + 1).trim()})`;
  return kept === 0
    ? `${name} has nothing of the ${formatBytes(printed)} that were printed${why}`
    : `${name} is incomplete: the last ${formatBytes(printed - kept)} of ${formatBytes(printed)} are missing${why}`;
}
