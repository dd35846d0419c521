import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";

/** What a reader of an artifact asks for. */
export const contentOf = (artifact: ArtifactRow) => ({
  kind: artifact.kind,
  blob: artifact.blob as number,
  mode: artifact.mode,
  size: artifact.size,
  name: artifact.path,
});

/** Kind, mode and content of everything below a path. */
export function picture(path: string): Record<string, string> {
  const seen: Record<string, string> = {};
  const visit = (at: string, name: string): void => {
    const stat = lstatSync(at);
    const mode = (stat.mode & 0o777).toString(8);
    if (stat.isSymbolicLink()) seen[name] = `link ${readlinkSync(at)}`;
    else if (stat.isDirectory()) {
      seen[name] = `directory ${mode}`;
      for (const inner of readdirSync(at)) visit(join(at, inner), `${name}/${inner}`);
    } else seen[name] = `file ${mode} ${readFileSync(at, "base64")}`;
  };
  visit(path, "");
  return seen;
}

/** A directory with everything that has to come back. */
export function makeDirectory(path: string, count = 3): void {
  for (const inner of ["plain/deep", "empty", "private", "only-links"]) mkdirSync(join(path, inner), { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(path, "plain/deep", `${i}`), `file ${i}`);
  writeFileSync(join(path, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(path, "private/key"), "s", { mode: 0o600 });
  writeFileSync(join(path, "new\nline"), "");
  writeFileSync(join(path, "large"), Buffer.alloc(300_000, 5));
  symlinkSync("../run.sh", join(path, "only-links/link"));
  symlinkSync("plain", join(path, "to-directory"));
  for (const [inner, mode] of [
    ["plain/deep", 0o555],
    ["private", 0o700],
    ["empty", 0o711],
    ["", 0o750],
  ] as const)
    chmodSync(join(path, inner), mode);
}
