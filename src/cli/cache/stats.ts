import { formatBytes } from "../../domain/quantity.ts";
import { heldBytes } from "../../registry/hand-out.ts";
import { resolveArtifact } from "../../registry/resolve.ts";
import { isCached } from "../../store/cache/cache.ts";
import { cacheStats } from "../../store/cache/stats.ts";
import type { CacheStats } from "../../store/cache/stats.ts";
import { limitText, shownLimits } from "./limits-text.ts";
import type { ShownLimits } from "./limits-text.ts";
import { command } from "../command.ts";
import { fields, table } from "../table.ts";

interface Shown extends CacheStats {
  schema: "coffer.cache-stats/1";
  limits: ShownLimits;
  refs: { ref: string; id: string; cached: boolean; own_file: boolean }[];
}

export default command(
  {
    positionals: [{ name: "REF", description: "say whether there is a copy of this; does not count as a use", variadic: true }],
    flags: {},
    about:
      "The cache holds plain copies of small files and directories, which coffer get prints the paths of. A hit is a reader that found a copy, a miss one for whom it was made. Large files are read where they lie in the store, and count as neither.",
    examples: [
      ["coffer cache stats", "how full it is, and what it is good for"],
      ["coffer cache stats features@v3", "whether a copy is there"],
    ],
    exits: { "4": "there is no such run or artifact" },
  },
  async ({ positionals, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const refs: Shown["refs"] = [];
    for (const ref of positionals) {
      const { artifact, inside } = resolveArtifact(store, ref);
      const found = await isCached(store, await heldBytes(store, artifact, inside));
      refs.push({ ref, id: artifact.id, cached: found === true, own_file: found === "own" });
    }
    io.print<Shown>({ schema: "coffer.cache-stats/1", ...cacheStats(store), limits: shownLimits(store), refs }, render);
  },
);

function render({ refs, limits, ...stats }: Shown): string {
  if (refs.length > 0)
    return table(
      ["REF", "COPY", "ID"],
      refs.map(({ ref, id, cached, own_file }) => [ref, own_file ? "not needed" : cached ? "yes" : "no", id]),
      "",
    );
  return fields([
    ["entries", `${stats.entries}, ${limitText("max_entries", limits.max_entries)}`],
    ["bytes", `${formatBytes(stats.bytes)}, ${limitText("max_size", limits.max_size)}`],
    ["held", `${stats.held} by live processes and runs`],
    ["hits", stats.hits],
    ["misses", stats.misses],
    ["rate", stats.rate === null ? undefined : `${(stats.rate * 100).toFixed(1)} % of ${stats.hits + stats.misses} reads`],
    ["evicted", `${stats.evictions} (${formatBytes(stats.evicted_bytes)})`],
  ]);
}
