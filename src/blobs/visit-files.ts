import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { join } from "node:path";
import { listOrNothing } from "./list-or-nothing.ts";

/**
 * Shows all that lies below a directory and is none itself, by its path within. Links are shown, not followed; what vanishes meanwhile is passed over, and so
 * is a directory that cannot be listed for one of the `forgiven` errors (undefined: any).
 */
export function visitFiles(directory: string, take: (stat: Stats, inner: string) => void, forgiven?: readonly string[]): void {
  const visit = (at: string, prefix: string): void => {
    for (const name of listOrNothing(at, forgiven)) {
      const path = join(at, name);
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat?.isDirectory()) visit(path, `${prefix}${name}/`);
      else if (stat) take(stat, prefix + name);
    }
  };
  visit(directory, "");
}
