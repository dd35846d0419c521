import { CofferError } from "../../domain/error.ts";
import { formatBytes, parseBytes } from "../../domain/quantity.ts";
import { cacheLimits, LIMIT_NAMES, setLimit } from "../../store/cache/limits.ts";
import { cacheStats } from "../../store/cache/stats.ts";
import { evict } from "../../store/cache/evict.ts";
import { readerLease } from "../../store/lease.ts";
import { copies, limitText, shownLimits } from "./limits-text.ts";
import { command } from "../command.ts";
import { currentRun } from "../current-run.ts";
import { table } from "../table.ts";

export default command(
  {
    flags: {
      "max-size": { type: "string", valueHint: "SIZE", description: "bytes at most, such as 500MB; 0: off" },
      "max-entries": { type: "string", valueHint: "N", description: "entries at most; 0: off" },
      reset: { type: "boolean", description: "the configuration's limits hold again" },
    },
    about:
      "The limits stay with this store and outrank cache.max_size and cache.max_entries of the configuration, until --reset. What is over them goes at once, the least recently used first; what other live processes and runs hold goes when these have ended. Off means that a copy lives as long as its reader.",
    examples: [
      ["coffer cache set-size --max-size 50GB", "more room for directories"],
      ["coffer cache set-size --max-entries 0", "keep no copies"],
      ["coffer cache set-size --reset", "back to coffer.yaml"],
    ],
  },
  async ({ flags, io }) => {
    const maxSize = flags["max-size"] === undefined ? undefined : parseBytes(flags["max-size"]);
    const maxEntries = flags["max-entries"] === undefined ? undefined : parseEntries(flags["max-entries"]);
    const isSet = maxSize !== undefined || maxEntries !== undefined;
    if (isSet === flags.reset)
      throw new CofferError("USAGE", isSet ? "--reset goes alone" : "no size is given", {
        hint: "write --max-size SIZE, --max-entries N, or --reset",
      });
    using store = await io.openStore({ make: false, access: "make-room" });
    if (flags.reset) for (const name of LIMIT_NAMES) setLimit(store, name, undefined);
    if (maxSize !== undefined) setLimit(store, "max_size", maxSize);
    if (maxEntries !== undefined) setLimit(store, "max_entries", maxEntries);
    const evicted = evict(store, cacheLimits(store), readerLease(store, currentRun(store, io.env)?.seq));
    const { entries, bytes } = cacheStats(store);
    const freed = evicted.reduce((sum, { size }) => sum + size, 0);
    const limits = shownLimits(store);
    io.print(
      { schema: "coffer.cache-set-size/1", limits, entries, bytes, evicted: evicted.map(({ path, size }) => ({ path, size })) },
      (shown) =>
        table(
          ["WENT", "SIZE"],
          shown.evicted.map(({ path, size }) => [path, formatBytes(size)]),
          "nothing was evicted",
        ),
    );
    io.say.info(
      `${limitText("max_entries", limits.max_entries)}, ${limitText("max_size", limits.max_size)}; ${copies(evicted.length, freed)} evicted, ${copies(entries, bytes)} left`,
    );
    if (entries > limits.max_entries.value || bytes > limits.max_size.value)
      io.say.warn("live processes or runs hold what is over the limit: it goes when they have ended");
  },
);

function parseEntries(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new CofferError("VALUE_INVALID", `not a number of entries: “${text}”`, { hint: "write 0 or a whole number, such as 100" });
}
