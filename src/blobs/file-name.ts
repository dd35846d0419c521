import { filePart } from "../domain/names.ts";

/**
 * `<type>_<class>_<12 hex>.<ext>`, what a person sees in `binaries/`; class `-` where there is none. `digits` grows when a name is taken:
 * the row holds all 64.
 */
export function blobFileName(blob: { type: string; class: string | null; hex: string; path: string }, digits = 12): string {
  return `${filePart(blob.type)}_${blob.class === null ? "-" : filePart(blob.class)}_${blob.hex.slice(0, digits)}${extension(blob.path)}`;
}

/** `.tar.gz` stays whole; an odd or long one is left out. */
function extension(path: string): string {
  const base = path.slice(path.lastIndexOf("/") + 1);
  return /[^.](\.tar\.[A-Za-z0-9]{1,4}|\.[A-Za-z0-9_-]{1,16})$/.exec(base)?.[1] ?? "";
}
