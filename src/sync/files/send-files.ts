import { whyNot } from "./choose-route.ts";
import type { Route } from "./choose-route.ts";
import type { RemoteFile } from "./lay-out.ts";
import { sendFile } from "./send-file.ts";
import type { Sent } from "./send-file.ts";
import { partsWeight } from "./send-parts.ts";
import type { Delivering } from "../sync.ts";
import type { UploadProgress } from "./upload-progress.ts";
import { syncPoint } from "../../domain/sync-point.ts";

interface Handling {
  /** Knows of these files, and maybe of others. */
  progress: UploadProgress;
  /** The server has it already; by default none of them. */
  isThere?: (file: RemoteFile) => boolean;
  arrived: (file: RemoteFile, sent: Sent) => void;
  /** What it throws ends the sending; otherwise the other files go on. */
  failed: (file: RemoteFile, error: unknown) => void;
}

/**
 * Brings files to one place, in the order given, as many at once as the whole sync has room for.
 * @throws what `failed` throws, once the uploads that were under way have ended
 */
export async function sendFiles(
  one: Delivering,
  route: Route,
  files: readonly RemoteFile[],
  { progress, isThere = () => false, arrived, failed }: Handling,
): Promise<void> {
  await one.sync.room.each(files, await weigher(one, route, files), async (file) => {
    try {
      const sent: Sent = isThere(file) ? { how: "there" } : await sendFile(one, route, file, (bytes) => progress.moved(file, bytes));
      syncPoint("sync.file-sent");
      progress.done(file);
      arrived(file, sent);
    } catch (error) {
      failed(file, error);
    }
  });
}

/** What a file has on its way at once: all of it, unless it goes in parts. */
async function weigher({ sync }: Delivering, { ways }: Route, files: readonly RemoteFile[]): Promise<(file: RemoteFile) => number> {
  const { partsFrom } = sync.routes.uploads;
  const largest = files.reduce((most, file) => Math.max(most, file.size), 0);
  const first = ways.find((way) => way.kind === "parts" || way.kind === "s3");
  const inParts = first && largest >= partsFrom && (await whyNot(sync, first, largest)) === undefined;
  return ({ size }) => (inParts && size >= partsFrom ? partsWeight(sync, size) : size);
}
