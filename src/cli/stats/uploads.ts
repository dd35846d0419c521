import { sumOf, uploadFigures } from "../../db/delivery/upload-figures.ts";
import type { ServerFigures, UploadFigures } from "../../db/delivery/upload-figures.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";
import type { Store } from "../../store/store.ts";
import { fields } from "../table.ts";
import { uploadWords } from "./upload-words.ts";

interface UploadStats extends UploadFigures {
  schema: "coffer.uploads/1";
  servers: ServerFigures[];
}

/** Of all servers that the store ever had something for; the database alone is asked. */
export function uploadStats(store: Store): UploadStats {
  const servers = uploadFigures(store.db);
  return { schema: "coffer.uploads/1", servers, ...sumOf(servers) };
}

export function uploadsText({ servers, ...sum }: UploadStats): string {
  if (servers.length === 0) return "no tracking server was told anything\n";
  const blocks = servers.map(({ target, runs, last_error, ...figures }) =>
    fields([
      ["server", target],
      ["runs", runWords(runs)],
      [
        "artifacts",
        `${figures.done} done (${countOf(figures.files, "file")}, ${formatBytes(figures.bytes)}), ${figures.failed} failed, ${figures.waiting} waiting`,
      ],
      ["failures", failureWords(figures)],
      ["last error", last_error ?? undefined],
    ]),
  );
  return [...blocks, ...(servers.length > 1 ? [fields([["all servers", uploadWords(sum)]])] : [])].join("\n");
}

function runWords(runs: ServerFigures["runs"]): string {
  const words = Object.entries(runs).flatMap(([state, count]) => (count === 0 ? [] : [`${count} ${state}`]));
  return words.length === 0 ? "none" : words.join(", ");
}

function failureWords({ failures, retried }: UploadFigures): string {
  return `${countOf(failures, "upload")} failed on the way, ${countOf(retried, "request was", "requests were")} sent again`;
}
