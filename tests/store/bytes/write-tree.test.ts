import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import type { BlobRow } from "../../../src/db/bytes/blobs.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { decodeTree } from "../../../src/blobs/decode-tree.ts";
import { writeOut } from "../../../src/store/bytes/write-out.ts";
import { blobRow, locate, readChecked } from "../../../src/store/read.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import type { TemporaryRoot } from "../../support/temporary-root.ts";
import { contentOf, picture } from "../directory.ts";
import { keep } from "../keep.ts";

/** More than are written in one turn, so that those behind them are looked for together. */
const FILES = 700;
const MODES = [0o644, 0o600, 0o755, 0o444, 0o666, 0o040];

let root: TemporaryRoot;
beforeEach(() => void (root = temporaryRoot()));
afterEach(() => root[Symbol.dispose]());

/** A directory that is kept, all of it in packs: of one ingest, or of two of which one has each third file. */
async function kept(test: TestStore, ingests: 1 | 2 = 1): Promise<ArtifactRow> {
  const units: { source: string }[] = [];
  for (let nth = 0; nth < FILES; nth++) {
    const path = root.at("in", `d${Math.floor(nth / 100)}`, `f${String(nth).padStart(4, "0")}`);
    if (nth % 100 === 0) mkdirSync(root.at("in", `d${nth / 100}`), { recursive: true });
    writeFileSync(path, `${nth} `.repeat(nth % 500));
    chmodSync(path, MODES[nth % MODES.length] as number);
    if (nth % 3 === 0) units.push({ source: path });
  }
  if (ingests === 2) await keep(test, units);
  return (await keep(test, [{ source: root.at("in"), kind: "tree" }])).result[0] as ArtifactRow;
}

/** Rows of its files, in the order of its list. */
async function membersOf({ store }: TestStore, artifact: ArtifactRow): Promise<BlobRow[]> {
  const entries = decodeTree(await readChecked(store, blobRow(store, artifact.blob as number)));
  return entries.flatMap((entry) =>
    entry.kind === "file" ? [blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex }) as BlobRow] : [],
  );
}

test.each([
  [1, 0o022],
  [2, 0o022],
  [1, 0o077],
  [1, 0],
] as const)("many small files that came in %d times are written with their bytes and modes, under the umask %o", async (ingests, umask) => {
  using test = await openTestStore();
  const artifact = await kept(test, ingests);
  const rows = await membersOf(test, artifact);
  expect([new Set(rows.map(({ place }) => place)), new Set(rows.map(({ pack }) => pack)).size]).toEqual([new Set(["pack"]), ingests]);
  const before = process.umask(umask);
  try {
    await writeOut(test.store, contentOf(artifact), root.at("out"));
  } finally {
    process.umask(before);
  }
  expect(picture(root.at("out"))).toEqual(picture(root.at("in")));
});

test("files are written although nobody noted that they are the directory's", async () => {
  using test = await openTestStore();
  const artifact = await kept(test);
  test.store.db.run("DELETE FROM tree_members WHERE member % 2 = 0");
  await writeOut(test.store, contentOf(artifact), root.at("out"));
  expect(picture(root.at("out"))).toEqual(picture(root.at("in")));
});

test("a byte that is another one, far behind, is found: nothing is left, and it is noted", async () => {
  using test = await openTestStore();
  const artifact = await kept(test);
  const row = (await membersOf(test, artifact)).at(-1) as BlobRow;
  const { path, offset } = locate(test.store, row);
  chmodSync(path, 0o644);
  const fd = openSync(path, "r+");
  writeSync(fd, "x", offset);
  closeSync(fd);
  await expect(writeOut(test.store, contentOf(artifact), root.at("out"))).rejects.toMatchObject({ code: "CORRUPT" });
  expect(readdirSync(root.path)).toEqual(["in"]);
  expect(test.store.db.query("SELECT blob, what FROM damage").all()).toEqual([{ blob: row.seq, what: "changed" }]);
});

test("a pack that is cut short far behind is said to be", async () => {
  using test = await openTestStore();
  const artifact = await kept(test);
  const { path, offset } = locate(test.store, (await membersOf(test, artifact)).at(-2) as BlobRow);
  chmodSync(path, 0o644);
  truncateSync(path, offset);
  await expect(writeOut(test.store, contentOf(artifact), root.at("out"))).rejects.toMatchObject({
    code: "CORRUPT",
    message: expect.stringContaining("is cut short"),
  });
  expect(existsSync(root.at("out"))).toBe(false);
});

test("what goes to another pack meanwhile is read there, and nothing of what stands in the old one by then", async () => {
  using test = await openTestStore();
  const { store } = test;
  const artifact = await kept(test);
  const [row] = (await membersOf(test, artifact)) as [BlobRow];
  const { path } = locate(store, row);
  const writing = writeOut(store, contentOf(artifact), root.at("out"));
  const written = (): number => {
    const beside = readdirSync(root.path).find((name) => name.endsWith(".tmp"));
    return beside === undefined ? 0 : [...new Bun.Glob("**/f*").scanSync({ cwd: root.at(beside), dot: true })].length;
  };
  while (written() < 512) await setImmediate();
  expect(written()).toBeLessThan(FILES);
  copyFileSync(path, `${path}.new`);
  store.db.run(
    "INSERT INTO packs (id, path, dataset, size, mtime_ns, ctime_ns, inode, created_at) SELECT 'new', path || '.new', dataset, size, mtime_ns, ctime_ns, inode, created_at FROM packs WHERE seq = ?",
    [row.pack],
  );
  store.db.run("UPDATE blobs SET pack = (SELECT seq FROM packs WHERE id = 'new') WHERE pack = ?", [row.pack]);
  chmodSync(path, 0o644);
  writeFileSync(path, Buffer.alloc(statSync(path).size, "other bytes"), { flag: "r+" });
  await writing;
  expect(picture(root.at("out"))).toEqual(picture(root.at("in")));
});

test("a directory that is only half written is nobody else's to look into", async () => {
  using test = await openTestStore();
  const writing = writeOut(test.store, contentOf(await kept(test)), root.at("out"));
  const modes = new Set<number>();
  const isWritten = writing.then(() => true);
  while (!(await Promise.race([isWritten, setImmediate(false)])))
    for (const name of readdirSync(root.path).filter((one) => one.endsWith(".tmp"))) {
      modes.add(statSync(join(root.path, name)).mode & 0o777);
    }
  await writing;
  expect(modes).toEqual(new Set([0o700]));
});
