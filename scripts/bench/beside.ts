import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { PeerName } from "../peers/install.ts";
import { freshRounds } from "./fresh-directory.ts";
import { settle } from "./random-files.ts";
import type { Contestant, Place } from "./subject.ts";

interface Around {
  /** Before each timed run, in a home where the peer has begun. */
  before?(home: string): Promise<void> | void;
  /** After it, before the home is put out of the way. */
  after?(home: string): Promise<void> | void;
}

/** Those of the peers that can be had, each in a new home for every timed run. */
export async function beside(place: Place, names: readonly PeerName[], around: Around = {}): Promise<Record<string, Contestant>> {
  return collect(place, names, async (home, begin) =>
    freshRounds(
      home,
      async () => {
        await begin();
        await around.before?.(home);
      },
      () => around.after?.(home),
    ),
  );
}

/** Those of the peers that can be had, each in one home for all timed runs, filled once by `fill`. */
export async function besideAgain(
  place: Place,
  names: readonly PeerName[],
  fill: (home: string) => Promise<void> | void,
  before?: (home: string) => Promise<void> | void,
): Promise<Record<string, Contestant>> {
  return collect(place, names, async (home, begin) => {
    mkdirSync(home);
    await begin();
    await fill(home);
    await settle(place.directory);
    return before ? { before: () => before(home) } : {};
  });
}

async function collect(
  place: Place,
  names: readonly PeerName[],
  around: (home: string, begin: () => Promise<void>) => Promise<Pick<Contestant, "before" | "after">>,
): Promise<Record<string, Contestant>> {
  const contestants: Record<string, Contestant> = {};
  for (const name of names) {
    const peer = await place.peers.get(name);
    if (!peer) continue;
    const home = join(place.directory, `peer-${name}`);
    const { before, after } = await around(home, () => peer.begin(home));
    contestants[peer.title] = {
      command: peer.command,
      cwd: home,
      env: peer.env(home),
      ...(before && { before }),
      ...(after && { after }),
    };
  }
  return contestants;
}
