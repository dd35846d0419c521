import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { place } from "../cli/run-place.ts";

/** gc once had a quicker look of its own for databases from 64 MiB on. */
const LARGE = 70 << 20;

/** Damages a leaf of an index in a way that `quick_check` does not see. */
type Damage = (page: Buffer, cells: number) => void;

const flipsTheLastByteOfAnEntry: Damage = (page) => {
  page[page.length - 1] = (page[page.length - 1] as number) ^ 1;
};

const exchangesTwoEntries: Damage = (page, cells) => {
  const [first, last] = [page.readUInt16BE(8), page.readUInt16BE(8 + 2 * (cells - 1))];
  page.writeUInt16BE(last, 8);
  page.writeUInt16BE(first, 8 + 2 * (cells - 1));
};

const cases: [what: string, index: string, damage: Damage][] = [
  ["a pack has another name in the index", "sqlite_autoindex_packs_2", flipsTheLastByteOfAnEntry],
  ["entries of the index of blobs stand in another order", "artifacts_by_blob", exchangesTwoEntries],
];

for (const [what, index, damage] of cases)
  test(`gc deletes nothing by a large database where ${what}`, async () => {
    using here = place();
    for (const directory of ["a", "b", "c"]) {
      for (let nth = 0; nth < 40; nth++) here.write(`${directory}/f${nth}`, `${directory} ${nth}`);
      expect(await here.coffer(["log", directory, "--name", directory])).toMatchObject({ code: 0 });
    }
    expect(await here.coffer(["rm", "a"])).toMatchObject({ code: 0 });
    const path = `${here.root}/coffer.db`;
    grow(path);
    spoil(path, index, damage);
    const before = here.binaries();
    expect(await here.coffer(["gc", "--apply", "--grace", "0"])).toMatchObject({ code: 5, stderr: expect.stringContaining(index) });
    expect(here.binaries()).toEqual(before);
    expect(await here.coffer(["get", "b", "-o", "out"])).toMatchObject({ code: 0 });
  });

function grow(path: string): void {
  const db = new Database(path, { readwrite: true });
  db.run("INSERT INTO sources (path, used_at, boot, bytes, seen) VALUES ('elsewhere', 0, 'none', ?1, zeroblob(?1))", [LARGE]);
  db.close(true);
}

function spoil(path: string, index: string, damage: Damage): void {
  const db = new Database(path, { readonly: true });
  const { pageno } = db.query("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'").get(index) as { pageno: number };
  const { page_size: size } = db.query("PRAGMA page_size").get() as { page_size: number };
  db.close(true);
  const fd = openSync(path, "r+");
  try {
    const page = Buffer.alloc(size);
    readSync(fd, page, 0, size, (pageno - 1) * size);
    damage(page, page.readUInt16BE(3));
    writeSync(fd, page, 0, size, (pageno - 1) * size);
  } finally {
    closeSync(fd);
  }
}
