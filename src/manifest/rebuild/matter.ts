import { statSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../../config/settings.ts";
import { faultOf } from "../../db/open/hold-database.ts";
import { MIGRATIONS } from "../../db/open/migrations.ts";
import { versionOnDisk } from "../../db/open/open.ts";
import { CofferError } from "../../domain/error.ts";
import { DATABASE } from "../../store/database/replace-database.ts";
import { openStore } from "../../store/store.ts";
import { checkManifests } from "../check/check-manifests.ts";

/** Why there is something to rebuild. */
export interface Matter {
  /** What was the matter with the database. */
  because: "missing" | "damaged" | "forced";
  detail: string | null;
}

/** `isReadable`: SQLite finds nothing wrong with it. Then manifests are asked as well, which know of values that are wrong in a well-formed page. */
export async function matterOf(
  root: string,
  settings: Settings,
  { force, dryRun, now }: { force: boolean; dryRun: boolean; now: () => number },
): Promise<Matter & { isReadable: boolean }> {
  try {
    const matter = matterWith(root, force);
    return { ...matter, isReadable: matter.because === "forced" };
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "PROTECTED") throw error;
    using store = openStore(settings, { make: false, access: dryRun ? "look" : "write", now, say: () => undefined });
    const found = await checkManifests(store, { share: 1, random: () => 0, stop: () => false });
    const wrong = found.find(({ what }) => what === "database");
    if (!wrong) throw error;
    return { because: "damaged", detail: wrong.detail, isReadable: true };
  }
}

/**
 * Why there is something to rebuild. Reads all of the database, and changes nothing.
 * @throws CofferError PROTECTED where it is whole and nobody forces it, STORE_NEWER; STORE_UNUSABLE where it cannot be read at all
 */
export function matterWith(root: string, force: boolean): Matter {
  const path = join(root, DATABASE);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined || size === 0) return { because: "missing", detail: null };
  const detail = faultIn(path);
  if (detail !== undefined) return { because: "damaged", detail };
  if (!force)
    throw new CofferError("PROTECTED", `${path} is whole: there is nothing to rebuild`, {
      hint: "coffer verify reads the bytes too; to make the database anew all the same, run coffer rebuild --force, which sets this one aside",
    });
  return { because: "forced", detail: null };
}

function faultIn(path: string): string | undefined {
  try {
    const version = versionOnDisk(path);
    if (version === undefined) return "it is no database of coffer, or was never finished";
    if (version > MIGRATIONS.length)
      throw new CofferError("STORE_NEWER", `this store was written by a newer coffer (its version ${version}, ours ${MIGRATIONS.length})`, {
        hint: "upgrade coffer; nothing was changed",
      });
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "STORE_DAMAGED") throw error;
    return error.message;
  }
  return faultOf(path);
}
