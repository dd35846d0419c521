import type { UploadFigures } from "../../db/delivery/upload-figures.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";

/** `40 done (1.2 GiB), 0 failed, 3 waiting; 2 requests were sent again`. */
export function uploadWords({ done, bytes, failed, waiting, retried }: UploadFigures): string {
  const again = retried === 0 ? "" : `; ${countOf(retried, "request was", "requests were")} sent again`;
  return `${done} done (${formatBytes(bytes)}), ${failed} failed, ${waiting} waiting${again}`;
}
