import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import type { Deed } from "../../scripts/soak/model/action.ts";
import { play } from "../../scripts/soak/model/play.ts";
import { binary } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** Plays deeds of one process with a coffer that does what `script` says, where `"$REAL" "$@"` is the true one. */
async function playedWith(script: string, deeds: readonly Deed[]): Promise<void> {
  using place = temporaryRoot();
  const file = place.at("coffer");
  writeFileSync(file, `#!/bin/sh\nREAL='${binary()}'\n${script}\n`, { mode: 0o755 });
  const actions = deeds.map((deed, nth) => ({ deed, worker: 0, a: nth % 2, b: 1, c: 1, trouble: null }));
  await play({ binary: file, directory: place.at("work") }, actions, actions.length + 1, () => false);
}

const exit = 'exec "$REAL" "$@"';

test.each<[what: string, script: string, deeds: Deed[], words: RegExp]>([
  ["a pin that is only said", `[ "$1" = pin ] && exit 0; ${exit}`, ["pin"], /is not pinned/],
  ["an alias that is only said", `[ "$1" = alias ] && exit 0; ${exit}`, ["alias"], /lacks the alias/],
  [
    "a version that is lost",
    `"$REAL" "$@"; code=$?; [ "$1" = log ] && "$REAL" rm w0-b@v1 >/dev/null 2>&1; exit $code`,
    ["log", "log"],
    /is removed, and should be live/,
  ],
  [
    "something that nobody has kept",
    `[ "$1" = ls ] && "$REAL" log "$0" --name w0-z --quiet >/dev/null; ${exit}`,
    ["log"],
    /nobody has kept it/,
  ],
  ["bytes that changed", `[ "$1" = get ] && { echo other >"$4"; exit 0; }; ${exit}`, ["log"], /has other bytes/],
  [
    "a gc that takes what is in use",
    `[ "$1" = gc ] && find artifacts/binaries -type f | head -n 1 | xargs rm -f; ${exit}`,
    ["gc"],
    /code 1/,
  ],
  ["a gc that takes nothing", `[ "$1" = gc ] && { echo '{"applied":{"deleted":[]}}'; exit 0; }; ${exit}`, ["rm", "gc"], /gc left/],
  ["what is left behind", `[ "$1" = ls ] && mkdir -p artifacts/tmp/left; ${exit}`, ["log"], /tmp\/ has left/],
  ["a file that no row names", `[ "$1" = verify ] && echo stray >artifacts/binaries/default/stray; ${exit}`, ["log"], /no row names/],
  ["a stack trace", `[ "$1" = pin ] && { echo "    at pin (/x/pin.ts:1:1)" >&2; exit 1; }; ${exit}`, ["pin"], /a stack trace/],
  ["a lock that somebody else has", `[ "$1" = pin ] && { echo "database is locked" >&2; exit 1; }; ${exit}`, ["pin"], /own words/],
])("the model notices %s", async (_, script, deeds, words) => {
  await expect(playedWith(script, deeds)).rejects.toThrow(words);
});
