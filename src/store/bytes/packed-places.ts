import { setImmediate as yieldToSignals } from "node:timers/promises";
import { packedMembers, TELLING_BYTES } from "../../db/bytes/packed-members.ts";
import type { Store } from "../store.ts";

const ROWS_PER_TURN = 4096;

/**
 * Where the files of a directory lie in packs, a hint: it is read over many turns, packs may be written anew in between and afterwards, and a part of the digest stands for all of it. So
 * whoever reads there checks the bytes. 100,000 of them take 8 MB.
 */
export class PackedPlaces {
  /** By the beginning of the digest, which a number holds exactly. */
  readonly #at = new Map<number, number>();
  readonly #packs: number[] = [];
  readonly #offsets: number[] = [];

  /** A few thousand files at each turn of the event loop, so that signals are heard; not of one moment. */
  static async read(store: Store, tree: number): Promise<PackedPlaces> {
    const places = new PackedPlaces();
    for (let after = 0, rows = ROWS_PER_TURN; rows === ROWS_PER_TURN;) {
      const members = packedMembers(store.db, tree, after, ROWS_PER_TURN);
      for (const [seq, telling, pack, offset] of members) {
        places.#at.set(Number.parseInt(telling, 16), places.#packs.push(pack) - 1);
        places.#offsets.push(offset);
        after = seq;
      }
      rows = members.length;
      await yieldToSignals();
    }
    return places;
  }

  of(hex: string): { pack: number; offset: number } | undefined {
    const at = this.#at.get(Number.parseInt(hex.slice(0, 2 * TELLING_BYTES), 16));
    return at === undefined ? undefined : { pack: this.#packs[at] as number, offset: this.#offsets[at] as number };
  }
}
