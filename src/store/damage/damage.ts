import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as damage from "../../db/bytes/damage.ts";
import { isMalformed } from "../../domain/error.ts";
import type { Store } from "../store.ts";

/** Something that is not as it should be. */
export interface Damage {
  digest: string;
  path: string;
  what: "missing" | "changed" | "short" | "unreadable" | "incomplete tree" | "pack" | "manifest" | "database";
  detail: string;
  /** The blob that it hurts; undefined where it is none's own. */
  blob?: number;
  /** The pack that is not as a pack is written, or the file that a directory lacks. */
  pack?: number;
  /** Of a manifest, or the journal: the rows know all of it, and those of which run. */
  fromRows?: { run: number } | "journal";
  member?: { hex: string; size: number; path: string };
}

/** From here on its bytes are hashed before anybody gets them, and what may be another copy of them stays. */
export function noteDamage(store: Store, row: BlobRow, what: Damage["what"], detail: string): void {
  if (store.readOnly) return;
  try {
    store.transaction(() => damage.record(store.db, { blob: row.seq, what, detail, found_at: store.now() }));
  } catch (error) {
    // whoever found it says so in any case
    if (isMalformed(error)) return;
    store.say(`what is damaged could not be noted: ${error instanceof Error ? error.message : String(error)}`);
  }
}
