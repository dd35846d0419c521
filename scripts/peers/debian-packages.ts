import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cachedFolder } from "../parts/cached-folder.ts";
import { runToEnd } from "../parts/run-to-end.ts";

export interface DebianPackages {
  /** Where they lie as they would below `/`. */
  folder: string;
  /** Name to version, of these packages and of those that they need and this machine lacks. */
  versions: Readonly<Record<string, string>>;
}

/**
 * Debian's packages, and what they need beyond what is installed here, unpacked into a folder of their own, once. Needs no root: apt only says which, and downloads.
 * @throws Error where there is no apt, or its lists do not know a package (`apt-get update` as root brings them)
 */
export async function debianPackages(name: string, packages: readonly string[]): Promise<DebianPackages> {
  const plan = await runToEnd(
    ["apt-get", "--simulate", "--no-install-recommends", "--reinstall", "install", ...packages],
    `apt cannot install ${packages.join(" and ")}; its lists come by \`apt-get update\``,
  );
  const versions = Object.fromEntries(
    [...plan.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm)].map(([, own, version]) => [own, version] as [string, string]),
  );
  const exact = Object.entries(versions).map(([own, version]) => `${own}=${version}`);
  const folder = await cachedFolder(name, [process.arch, ...exact], async (into) => {
    await runToEnd(["apt-get", "--quiet", "download", ...exact], `apt could not download ${exact.join(" ")}`, into);
    for (const archive of readdirSync(into).filter((file) => file.endsWith(".deb")))
      await runToEnd(["dpkg-deb", "--extract", archive, "."], `dpkg-deb could not unpack ${archive}`, into);
  });
  return { folder: join(folder, "usr"), versions };
}
