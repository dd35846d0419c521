import { CofferError } from "../../domain/error.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { hold, openReader } from "../../registry/hand-out.ts";
import type { Held } from "../../registry/hand-out.ts";
import { resolveArtifact } from "../../registry/resolve.ts";
import { isCached, preload } from "../../store/cache/cache.ts";
import { cacheLimits, isOff } from "../../store/cache/limits.ts";
import { processLease } from "../../store/lease.ts";
import { command } from "../command.ts";
import { currentRun } from "../current-run.ts";
import { table } from "../table.ts";

export default command(
  {
    positionals: [{ name: "REF", description: "an artifact, or a file inside a directory", required: true, variadic: true }],
    flags: {},
    about:
      "Makes copies before anybody asks for them, and makes those that are there already the last ones used. Nobody holds them: what does not fit under the limits goes, the first ones first, and that is said.",
    examples: [["coffer cache preload features@best folds", "ready for the next coffer get"]],
    exits: { "4": "there is no such run or artifact; nothing was loaded" },
  },
  async ({ positionals, io }) => {
    using store = await io.openStore({ make: false });
    const found = positionals.map((ref) => ({ ref, ...resolveArtifact(store, ref) }));
    if (isOff(cacheLimits(store)))
      throw new CofferError("USAGE", "the cache is off: nothing stays in it", {
        hint: "coffer cache stats says what set its limits; coffer cache set-size --max-entries N --max-size S sets others",
      });
    // the bytes are held by us while we copy, the copies by nobody
    const mine = { run: undefined, lease: processLease(store).seq };
    const { lease } = openReader(store, currentRun(store, io.env));
    const asked: { ref: string; id: string; content: Held; state: Awaited<ReturnType<typeof preload>> }[] = [];
    for (const { ref, artifact, inside } of found) {
      const content = await hold(store, mine, artifact, inside);
      asked.push({ ref, id: artifact.id, content, state: await preload(store, content, lease) });
    }
    const refs = await Promise.all(
      asked.map(async ({ content, ...rest }) => ({ ...rest, size: content.size, cached: (await isCached(store, content)) === true })),
    );
    const count = (state: string): number => refs.filter((ref) => ref.state === state).length;
    const bytes = refs.reduce((sum, ref) => sum + (ref.state === "loaded" ? ref.size : 0), 0);
    const document = {
      schema: "coffer.cache-preload/1",
      loaded: count("loaded"),
      there: count("there"),
      own_file: count("own"),
      bytes,
      refs: refs.map(({ state, ...rest }) => ({ ...rest, state: state === "own" ? "own file" : state })),
    } as const;
    io.print(document, (shown) =>
      table(
        ["REF", "STATE", "SIZE", "ID"],
        shown.refs.map((ref) => [ref.ref, ref.state, formatBytes(ref.size), ref.id]),
        "",
      ),
    );
    io.say.info(`${document.loaded} loaded (${formatBytes(bytes)}), ${document.there} there already, ${document.own_file} need no copy`);
    const gone = refs.filter((ref) => ref.state !== "own" && !ref.cached);
    if (gone.length > 0)
      io.say.warn(
        `${gone.length} evicted again, since the cache is too small for all: ${gone.map((ref) => ref.ref).join(", ")}. coffer cache set-size makes more room`,
      );
  },
);
