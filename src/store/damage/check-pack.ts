import { closeSync, fstatSync, openSync } from "node:fs";
import { FOLLOWING_READ } from "../../blobs/copy.ts";
import { readPackHeaders } from "../../blobs/pack-headers.ts";
import * as packs from "../../db/bytes/packs.ts";
import { reason } from "../../domain/error.ts";
import type { Damage } from "./damage.ts";
import { sameStamp, stampOf } from "../bytes/stamp.ts";
import type { FileStamp } from "../../db/bytes/blobs.ts";
import type { Store } from "../store.ts";

const SHOWN = 3;

/** What a pack is beside its members' bytes: whether `tar` and a rebuild can read it, and whether it is the file that was written. */
export function checkPack(store: Store, pack: number): { damage?: Damage; touched?: { what: "replaced" | "writable"; stamp: FileStamp } } {
  const row = packs.bySeq(store.db, pack);
  if (!row) return {};
  const path = store.path(row.path);
  const hurt = (detail: string): { damage: Damage } => ({ damage: { digest: "", path, what: "pack", detail, pack } });
  let fd: number;
  try {
    fd = openSync(path, FOLLOWING_READ);
  } catch (error) {
    return hurt(reason(error));
  }
  try {
    const stat = fstatSync(fd, { bigint: true });
    if (!stat.isFile()) return hurt("it is no regular file");
    const known = packs
      .readable(store.db, pack)
      .map(({ blake3, offset, size }) => ({ name: Buffer.from(blake3).toString("hex"), offset, size }));
    const { faults, isCut } = readPackHeaders(fd, Number(stat.size), known);
    const words = faults.map(({ at, what }) => `at ${at}, ${what}`);
    if (isCut) words.push(`it is cut short: ${stat.size} bytes instead of ${row.size}`);
    else if (words.length === 0 && stat.size !== BigInt(row.size)) words.push(`${stat.size} bytes instead of ${row.size}`);
    if (words.length > 0)
      return hurt(words.slice(0, SHOWN).join("; ") + (words.length > SHOWN ? `; and ${words.length - SHOWN} more` : ""));
    if ((stat.mode & 0o222n) !== 0n) return { touched: { what: "writable", stamp: stampOf(stat) } };
    const kept = packs.stampOf(store.db, pack);
    return kept && sameStamp(stat, kept) ? {} : { touched: { what: "replaced", stamp: stampOf(stat) } };
  } catch (error) {
    return hurt(reason(error));
  } finally {
    closeSync(fd);
  }
}
