import { waitingServers } from "../db/delivery/waiting-servers.ts";
import type { Store } from "../store/store.ts";
import type { Io } from "./io.ts";

/** Says how to get rid of what waits for servers, where `concerns` lets one through. */
export function hintAtServers(io: Io, store: Store, concerns: (target: string) => boolean): void {
  for (const { target } of waitingServers(store.db))
    if (concerns(target))
      io.say.info(
        `what waits for ${target}: coffer sync-mlflow --uri ${target} delivers it, coffer sync-mlflow --forget ${target} gives it up for good`,
      );
}
