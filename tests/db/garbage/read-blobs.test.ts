import { expect, test } from "bun:test";
import { measurePacks } from "../../../src/db/bytes/hollow-packs.ts";
import { readArtifacts } from "../../../src/db/garbage/read-artifacts.ts";
import { deadBytes, MARK, readBlobs, storedBytes } from "../../../src/db/garbage/read-blobs.ts";
import type { Blobs } from "../../../src/db/garbage/read-blobs.ts";
import { openTables } from "../../../src/db/garbage/tables.ts";
import type { Store } from "../../../src/store/store.ts";
import { openTestStore } from "../../support/store.ts";

/** Around what fits beside a seq, and far above it. */
const SIZES = [0, 1, 512, 2 ** 26 - 1, 2 ** 26, 2 ** 26 + 1, 2 ** 40, 2 ** 40 + 513];
const TWO_PACKS = [1, 2];

/** Rows alone, no bytes: files, members of two packs, and files that an import left elsewhere, one of each size each. */
function insertRows({ db }: Store): void {
  const insert = db.query(
    `INSERT INTO blobs (seq, blake3, size, state, dataset, place, path, pack, offset, created_at)
     VALUES (?1, unhex(printf('%064x', ?1)), ?2, 'live', 'default', ?3, ?4, ?5, iif(?5 IS NULL, NULL, 0), 0)`,
  );
  for (const pack of TWO_PACKS)
    db.query("INSERT INTO packs (seq, id, path, dataset, size, created_at) VALUES (?1, ?1, 'binaries/' || ?1, 'default', 0, 0)").run(pack);
  let seq = 0;
  for (const [nth, size] of SIZES.entries()) {
    insert.run(++seq, size, "file", `binaries/default/${seq}`, null);
    insert.run(++seq, size, "pack", null, 1 + (nth % 2));
    insert.run(++seq, size, "foreign", `/elsewhere/${seq}`, null);
  }
}

function blobsOfRows(store: Store): Blobs {
  insertRows(store);
  openTables(store.db, { leases: [], stopped: undefined });
  return readBlobs(store.db, readArtifacts(store.db, { before: null, times: false }));
}

test("bytes of whatever size are read as they are, in files, in packs, and none of what lies elsewhere", async () => {
  using t = await openTestStore();
  const { db } = t.store;
  const blobs = blobsOfRows(t.store);
  const rows = db.query("SELECT seq, iif(place = 'foreign', 0, size), ifnull(pack, 0) FROM blobs ORDER BY seq").values() as [
    number,
    number,
    number,
  ][];
  expect(rows.map(([seq]) => [seq, blobs.sizes[seq], blobs.packs[seq]])).toEqual(rows);
  expect(storedBytes(blobs)).toBe(2 * SIZES.reduce((sum, size) => sum + size, 0));
});

test("packs are measured by members of whatever size", async () => {
  using t = await openTestStore();
  const { db } = t.store;
  const blobs = blobsOfRows(t.store);
  const members = db.query("SELECT seq, size, pack FROM blobs WHERE pack IS NOT NULL").values() as [number, number, number][];
  // all of the second pack, and the small ones of the first
  const dying = members.filter(([, size, pack]) => pack === 2 || size < 2 ** 26);
  for (const [seq] of dying) (blobs.marks[seq] as number) |= MARK.dead;
  const bytesOf = (rows: typeof members): number => rows.reduce((sum, [, size]) => sum + size, 0);
  const later = dying.filter(([, , pack]) => pack === 1);
  expect([measurePacks(db, blobs), deadBytes(blobs)]).toEqual([bytesOf(later), bytesOf(dying)]);
  const inTar = "sum(512 + (b.size + 511) / 512 * 512)";
  const staying = `SELECT count(*) AS members, ifnull(${inTar}, 0) AS live FROM blobs b WHERE b.pack = ?1 AND b.seq NOT IN (SELECT value FROM json_each(?2))`;
  for (const pack of TWO_PACKS) {
    const own = dying.filter((row) => row[2] === pack);
    expect(db.query("SELECT members, dying, live, dead FROM temp.gc_packs WHERE seq = ?").get(pack)).toEqual({
      ...(db.query(staying).get(pack, JSON.stringify(dying.map(([seq]) => seq))) as object),
      dying: own.length,
      dead: bytesOf(own),
    });
  }
});
