import { lstatSync } from "node:fs";
import type { Stats } from "node:fs";
import { visitFiles } from "../../blobs/visit-files.ts";

export interface Measured {
  files: number;
  bytes: number;
}

/** How much lies at and below a path. Links are not followed; what vanishes meanwhile counts for nothing. */
export function measure(path: string): Measured {
  const found: Measured = { files: 0, bytes: 0 };
  const take = (stat: Stats): void => {
    found.files++;
    found.bytes += stat.size;
  };
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) visitFiles(path, take, ["ENOENT", "EACCES"]);
  else if (stat) take(stat);
  return found;
}
