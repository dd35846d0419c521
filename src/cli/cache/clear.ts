import { cacheStats } from "../../store/cache/stats.ts";
import { clear } from "../../store/cache/evict.ts";
import { readerLease } from "../../store/lease.ts";
import { copies } from "./limits-text.ts";
import { command } from "../command.ts";
import { currentRun } from "../current-run.ts";

export default command(
  {
    flags: {},
    about:
      "Takes every copy that no run and no other live process holds, what the calling process got itself among them, and whatever else lies in cache/. The artifacts stay: the next coffer get makes a copy again.",
    examples: [["coffer cache clear", "give the room back"]],
  },
  async ({ io }) => {
    using store = await io.openStore({ make: false, access: "make-room" });
    const cleared = clear(store, readerLease(store, currentRun(store, io.env)?.seq));
    const { entries: left, bytes: leftBytes } = cacheStats(store);
    const bytes = cleared.reduce((sum, entry) => sum + entry.size, 0);
    io.print({ schema: "coffer.cache-clear/1", entries: cleared.length, bytes, left, left_bytes: leftBytes }, () => "");
    io.say.info(
      `${copies(cleared.length, bytes)} removed${left === 0 ? "" : `; ${copies(left, leftBytes)} held by live processes or runs, and left`}`,
    );
  },
);
