import { whyNot } from "./choose-route.ts";
import type { Route } from "./choose-route.ts";
import type { RemoteFile } from "./lay-out.ts";
import { sendFile } from "./send-file.ts";
import type { Sent } from "./send-file.ts";
import { partsWeight } from "./send-parts.ts";
import { StoredSources } from "./stored-sources.ts";
import { checkTime } from "../sync.ts";
import type { Delivering } from "../sync.ts";
import type { Load } from "./upload-room.ts";
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
  const sources = new StoredSources(
    one.sync.store,
    files.filter((file) => !isThere(file)),
  );
  const send = async (file: RemoteFile): Promise<Sent> => {
    checkTime(one.sync);
    return sendFile(one, route, file, await sources.of(file), (bytes) => progress.moved(file, bytes));
  };
  await one.sync.room.each(files, await weigher(one, route, files), async (file) => {
    try {
      const sent: Sent = isThere(file) ? { how: "there" } : await send(file);
      syncPoint("sync.file-sent");
      progress.done(file);
      arrived(file, sent);
    } catch (error) {
      failed(file, error);
    }
  });
}

/** From here on a server is busy with the bytes of a file and not with its request. */
const LARGE = 1024 * 1024;
/** A server with its defaults has four workers; more large bodies at once make them wait for each other. */
const LARGE_AT_ONCE = 4;

/** What a file has on its way at once: all of it, unless it goes in parts. */
async function weigher({ sync }: Delivering, { ways }: Route, files: readonly RemoteFile[]): Promise<(file: RemoteFile) => Load> {
  const { partsFrom } = sync.routes.uploads;
  const largest = files.reduce((most, file) => Math.max(most, file.size), 0);
  const first = ways.find((way) => way.kind === "parts" || way.kind === "s3");
  const inParts = first && largest >= partsFrom && (await whyNot(sync, first, largest)) === undefined;
  const throughServer = ways.some(({ kind }) => kind === "put");
  return ({ size }) => {
    if (inParts && size >= partsFrom) return { bytes: partsWeight(sync, size), places: 1 };
    return { bytes: size, places: throughServer && size >= LARGE ? Math.max(1, sync.jobs / LARGE_AT_ONCE) : 1 };
  };
}
