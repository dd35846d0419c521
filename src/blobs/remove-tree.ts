import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { mountsBelow } from "./mounts.ts";
import { openUp } from "./open-up.ts";

/**
 * Removes a directory with all that is in it, also where directories are read-only. Links are removed, not followed; what is mounted inside is another place.
 * @throws what keeps something from being removed, a mount among it; what was removed by then is gone
 */
export function removeTree(root: string): void {
  const device = lstatSync(root, { throwIfNoEntry: false })?.dev;
  if (device === undefined) return;
  const mounts = mountsBelow(root);

  function remove(path: Buffer, inner: string): void {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return;
    if (stat.dev !== device || mounts.has(inner)) throw new Error(`something is mounted at ${path.toString()}`);
    if (!stat.isDirectory()) return unlinkSync(path);
    openUp(path, stat.mode);
    for (const name of readdirSync(path, { encoding: "buffer" }))
      remove(Buffer.concat([path, Buffer.from("/"), name]), inner === "" ? name.toString() : `${inner}/${name.toString()}`);
    rmdirSync(path);
  }

  remove(Buffer.from(root), "");
}
