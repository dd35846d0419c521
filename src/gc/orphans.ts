import type { Store } from "../store/store.ts";
import { planGc } from "./plan.ts";
import { PURGE_RULES } from "./rules.ts";

/** What nothing names. */
export interface Orphans {
  /** Below `binaries/`, of any age, but for what a live process may be about to name. */
  files: number;
  /** Of these files. */
  bytes: number;
  /** That no artifact names. */
  blobs: number;
  /** Rows whose files are gone. */
  missing: number;
}

/** Counts them, as gc sees them: of a dataset, or of all. */
export function countOrphans(store: Store, dataset: string | null): Orphans {
  const plan = planGc(store, PURGE_RULES, { dataset, part: "orphans" });
  const files = plan.others.filter((item) => item.kind === "file");
  return {
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    blobs: plan.blobs.count,
    missing: plan.missing.length,
  };
}
