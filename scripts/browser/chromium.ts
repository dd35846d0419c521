import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { cachedFolder } from "../parts/cached-folder.ts";
import { npmPackages } from "../parts/packages.ts";
import { runToEnd } from "../parts/run-to-end.ts";

/**
 * The path of a headless Chromium. On Linux (x64) it comes from npm with the libraries and fonts that it needs, so a bare machine has it and every machine the same
 * one; elsewhere an installed one serves.
 */
export async function chromium(): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const installed = ["chromium", "chromium-browser", "google-chrome"].map((name) => Bun.which(name)).find((path) => path !== null);
    if (!installed) throw new Error("no Chromium: there is none in npm for this platform, and none on the PATH");
    return installed;
  }
  const packed = join(await npmPackages("browser", import.meta.dir), "@sparticuz/chromium/bin");
  const unpacked = await cachedFolder("chromium", [packed, FONTS, start("$0")], (into) => unpack(packed, into));
  return join(unpacked, "chromium.sh");
}

async function unpack(packed: string, into: string): Promise<void> {
  const unbrotli = (from: string, to: string): void =>
    writeFileSync(join(into, to), brotliDecompressSync(readFileSync(join(packed, from))));
  unbrotli("chromium.br", "chromium");
  for (const archive of ["al2023.tar", "fonts.tar"]) {
    unbrotli(`${archive}.br`, archive);
    await runToEnd(["tar", "-xf", archive], `tar could not unpack ${archive}`, into);
  }
  // the one that comes along names directories of another system
  writeFileSync(join(into, "fonts.conf"), FONTS);
  writeFileSync(join(into, "chromium.sh"), start('$(dirname "$0")'));
  for (const program of ["chromium", "chromium.sh"]) chmodSync(join(into, program), 0o755);
}

const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir></fontconfig>
`;

/** Chromium finds its libraries and fonts by variables that a browser's starter cannot be given. */
function start(here: string): string {
  return `#!/bin/sh
here=${here}
LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf" exec "$here/chromium" "$@"
`;
}
