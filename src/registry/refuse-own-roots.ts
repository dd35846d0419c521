import { existsSync, realpathSync } from "node:fs";
import { relative, sep } from "node:path";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

/**
 * A directory that holds the store or the workspaces would be stored with all that was stored before, anew each time. One in which `ignored` leaves them out may be kept.
 * @throws CofferError PATH_INVALID
 */
export function refuseOwnRoots(store: Store, directory: string, ignored: (path: string) => boolean): void {
  for (const root of [store.root, store.settings.roots.workspace]) {
    if (!existsSync(root)) continue;
    const inside = relative(realpathSync(directory), realpathSync(root));
    const parts = inside.split(sep);
    if (parts[0] === ".." || parts.some((_, index) => inside !== "" && ignored(parts.slice(0, index + 1).join("/")))) continue;
    throw new CofferError("PATH_INVALID", `${directory} holds the store's own ${root === store.root ? "root" : "workspaces"} (${root})`, {
      hint: `name the files and directories that are meant${inside === "" ? "" : `, or leave it out with --ignore /${parts.join("/")}`}; nothing was stored`,
    });
  }
}
