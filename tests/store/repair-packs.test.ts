import { expect, test } from "bun:test";
import { appendFileSync, chmodSync, cpSync, lstatSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { dumpOf, inWorkspace, memberOf, mend, packsOf, pathOf, rewrite, rowOf, small } from "./damaged-store.ts";

test("a flipped byte in a pack costs its member a file of its own, and the others stay where they are", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: small(40), path: "d" });
  inWorkspace(stored, tree, Object.fromEntries(Object.entries(small(40)).map(([name, text]) => [`d/${name}`, text])));
  const member = memberOf(stored, tree, 7);
  const before = await dumpOf(stored.store, { places: false });
  rewrite(pathOf(stored, member.seq), (bytes) => (bytes[member.offset as number] = 0));
  const { done, after } = await mend(stored);
  expect([done.repaired.length, done.damage, after.damage]).toEqual([1, [], []]);
  expect(rowOf(stored, member.seq)).toMatchObject({ place: "file", state: "live" });
  expect(rowOf(stored, memberOf(stored, tree, 8).seq)).toMatchObject({ place: "pack", pack: member.pack });
  expect(await dumpOf(stored.store, { places: false })).toEqual(before);
});

const PACK_HURTS: Record<string, (path: string, offset: number) => void> = {
  "the header of a member": (path, offset) => rewrite(path, (bytes) => (bytes[offset - 512 + 130] = 0x37)),
  "the name of a member": (path, offset) => rewrite(path, (bytes) => (bytes[offset - 512] = (bytes[offset - 512] as number) ^ 1)),
  "the bytes behind a member": (path, offset) => rewrite(path, (bytes) => (bytes[offset + 500] = 1)),
  "its end": (path) => rewrite(path, (bytes) => (bytes[bytes.length - 700] = 1)),
  "what was added to it": (path) => (chmodSync(path, 0o644), appendFileSync(path, Buffer.alloc(512))),
  "its end, which is gone": (path) => (chmodSync(path, 0o644), truncateSync(path, statSync(path).size - 1024)),
};

for (const [what, hurt] of Object.entries(PACK_HURTS))
  test(`a pack of which ${what} is damaged is written anew from its own members`, async () => {
    using stored = await openTestStore();
    const tree = await stored.add({ files: small(40) });
    const member = memberOf(stored, tree, 7);
    const old = pathOf(stored, member.seq);
    const before = await dumpOf(stored.store, { places: false });
    hurt(old, member.offset as number);
    const { found, done, after } = await mend(stored);
    expect(found.damage.map(({ what }) => what)).toEqual(["pack"]);
    expect([done.damage, after.damage, done.repaired.map(({ from }) => from), done.aside.length]).toEqual([[], [], ["itself"], 1]);
    expect(await dumpOf(stored.store, { places: false })).toEqual(before);
    expect([lstatSync(old, { throwIfNoEntry: false }), packsOf(stored).length]).toEqual([undefined, 1]);
  });

test("of a truncated pack the whole members survive, the others come from the workspace, and what nobody has stays named", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: small(40), path: "d" });
  const names = Object.entries(small(40));
  // the one that lies last in the pack
  const lost = Array.from({ length: 40 }, (_, nth) => memberOf(stored, tree, nth)).reduce((a, b) =>
    (a.offset as number) > (b.offset as number) ? a : b,
  );
  const lostName = names.find(([, text]) => text === textOf(stored, lost.seq))?.[0];
  inWorkspace(stored, tree, Object.fromEntries(names.filter(([name]) => name !== lostName).map(([name, text]) => [`d/${name}`, text])));
  const path = pathOf(stored, tree.blob);
  const listBefore = readFileSync(path)
    .subarray(rowOf(stored, tree.blob).offset as number)
    .subarray(0, rowOf(stored, tree.blob).size);
  chmodSync(path, 0o644);
  truncateSync(path, 20 * 1024 + 512);
  using elsewhere = temporaryRoot();
  writeFileSync(elsewhere.at("list"), listBefore);
  const { found, done, after } = await mend(stored, { directories: [elsewhere.path] });
  expect(found.damage.filter(({ what }) => what === "short").length).toBe(21);
  const left = after.damage.filter(({ what }) => what !== "pack");
  expect(left.map(({ blob }) => blob)).toEqual([lost.seq]);
  expect(done.damage.filter(({ what }) => what !== "pack")).toHaveLength(1);
  // what was whole and the list came first, then what the list says; the old pack is named by the one that is lost
  const byPack = Map.groupBy(
    stored.store.db.query("SELECT seq, pack FROM blobs").all() as { seq: number; pack: number | null }[],
    ({ pack }) => pack,
  );
  expect([...byPack.values()].map((rows) => rows.length).sort((a, b) => a - b)).toEqual([1, 19, 21]);
  // and when that comes back too, nothing is left of the old one
  writeFileSync(elsewhere.at("found"), names.find(([name]) => name === lostName)?.[1] ?? "");
  const again = await mend(stored, { directories: [elsewhere.path] });
  expect([again.done.damage, again.after.damage, lstatSync(path, { throwIfNoEntry: false })]).toEqual([[], [], undefined]);
});

function textOf(stored: TestStore, blob: number): string {
  const row = rowOf(stored, blob);
  return readFileSync(pathOf(stored, blob)).toString("utf8", row.offset as number, (row.offset as number) + row.size);
}

test("a new pack without rows, as a crash leaves it, is a copy for the next repair", async () => {
  using stored = await openTestStore();
  const tree = await stored.add({ files: small(40) });
  const path = pathOf(stored, tree.blob);
  const before = await dumpOf(stored.store, { places: false });
  cpSync(path, path.replace(/[^/]+$/, "new.tar"));
  rmSync(path);
  const { done, after } = await mend(stored);
  expect([new Set(done.repaired.map(({ from }) => from)), done.damage, after.damage]).toEqual([new Set(["store"]), [], []]);
  expect(await dumpOf(stored.store, { places: false })).toEqual(before);
});
