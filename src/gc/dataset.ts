import { listOrNothing } from "../blobs/list-or-nothing.ts";
import * as datasets from "../db/datasets.ts";
import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/**
 * A misspelt dataset is no empty one.
 * @throws CofferError NOT_FOUND, with the one that was meant
 */
export function requireDataset(store: Store, dataset: string): void {
  const known = new Set([...datasets.names(store.db), ...listOrNothing(store.path("binaries"), ["ENOENT"])]);
  if (known.has(dataset)) return;
  const near = closest(dataset, known);
  throw new CofferError("NOT_FOUND", `there is no dataset “${dataset}”`, {
    hint: near ? `did you mean ${near}?` : "coffer stats lists them; nothing was changed",
    candidates: near ? [near] : [...known].slice(0, 20),
  });
}
