import { decodeTree } from "../../blobs/decode-tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import * as integrity from "../../db/check/integrity.ts";
import { reason } from "../../domain/error.ts";
import type { Damage } from "./damage.ts";
import { digestOf, locate, readChecked } from "../read.ts";
import type { Store } from "../store.ts";

/** Looks whether rows know of each file that a directory's list names. `isWanted`: of which directories. */
export async function checkTrees(store: Store, isWanted: (tree: number) => boolean, stop: () => boolean): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const seq of integrity.liveTrees(store.db)) {
    if (stop()) break;
    if (!isWanted(seq)) continue;
    const row = blobs.bySeq(store.db, seq);
    if (!row || row.state === "trashed") continue;
    const hurt = (what: Damage["what"], detail: string): Damage => ({ digest: digestOf(row), path: pathOf(), what, detail, blob: seq });
    const pathOf = (): string => {
      try {
        return locate(store, row).path;
      } catch (error) {
        return reason(error);
      }
    };
    const its: Damage[] = [];
    try {
      for (const entry of decodeTree(await readChecked(store, row)))
        if (entry.kind === "file" && !integrity.hasMember(store.db, seq, Buffer.from(entry.hex, "hex"))) {
          const { hex, size, path } = entry;
          its.push({ ...hurt("incomplete tree", `${path} is not in the store`), member: { hex, size, path } });
        }
    } catch (error) {
      its.push(hurt("changed", reason(error)));
    }
    // a directory that was swept meanwhile lacks nothing
    const again = blobs.bySeq(store.db, seq);
    if (its.length > 0 && again && again.state !== "trashed") damage.push(...its);
  }
  return damage;
}
