import type { Database } from "bun:sqlite";

/** Bytes of a digest that tell a directory's files apart; as a number they are exact. */
export const TELLING_BYTES = 6;

/** Where a file of a directory lies in a pack. `telling`: the first bytes of its BLAKE3, as hexadecimal digits. */
export type PackedMember = [seq: number, telling: string, pack: number, offset: number];

/** Those whose seq is more than `after`, by seq: so each page of the table is read once, where to look for each by its digest reads nearly two pages for every file. */
export function packedMembers(db: Database, tree: number, after: number, limit: number): PackedMember[] {
  return db
    .query<PackedMember, [number, number, number]>(
      `SELECT b.seq, hex(substr(b.blake3, 1, ${TELLING_BYTES})), b.pack, b.offset FROM tree_members m CROSS JOIN blobs b ON b.seq = m.member
        WHERE m.tree = ? AND m.member > ? AND b.place = 'pack' AND b.blake3 IS NOT NULL ORDER BY m.member LIMIT ?`,
    )
    .values(tree, after, limit) as PackedMember[];
}
