import { readdirSync } from "node:fs";
import * as datasets from "../db/records/datasets.ts";
import { closest } from "../domain/closest.ts";
import { CofferError, errno } from "../domain/error.ts";
import { filePart } from "../domain/names.ts";
import type { Store } from "../store/store.ts";

/**
 * A misspelt dataset is no empty one. Where no row is of it, it may be a directory, but not that of another one, and no link.
 * @throws CofferError NOT_FOUND, with the one that was meant
 */
export function requireDataset(store: Store, dataset: string): void {
  const known = datasets.names(store.db);
  const taken = new Set(known.map(filePart));
  const all = [...known, ...directories(store).filter((name) => !taken.has(name))];
  if (all.includes(dataset)) return;
  const near = known.find((name) => filePart(name) === dataset) ?? closest(dataset, all);
  throw new CofferError("NOT_FOUND", `there is no dataset “${dataset}”`, {
    hint: near ? `did you mean ${near}?` : "coffer stats lists them; nothing was changed",
    candidates: near ? [near] : all.slice(0, 20),
  });
}

/** Other datasets whose files lie in the same directory: not every name can be that of one. */
export function neighbours(store: Store, dataset: string): string[] {
  return datasets.names(store.db).filter((name) => name !== dataset && filePart(name) === filePart(dataset));
}

function directories(store: Store): string[] {
  try {
    return readdirSync(store.path("binaries"), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if (errno(error) === "ENOENT") return [];
    throw error;
  }
}
