import { isDirectory } from "../../blobs/is-directory.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { Store } from "../store.ts";

/** Says that `binaries/` is not where rows have files in it, before it is made anew: where its disk is not mounted, what is stored now is hidden below it later. */
export function sayGone(store: Store): void {
  const path = store.path("binaries");
  if (isDirectory(path) || blobs.latestFiles(store.db, 1).length === 0) return;
  store.say(
    `${path} is not there, and the database knows files in it: it is made anew. If it was moved or unmounted, put it back (coffer doctor)`,
  );
}
