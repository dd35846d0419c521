import { closeSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { PackWriter } from "../../src/blobs/pack.ts";
import { readPackHeaders } from "../../src/blobs/pack-headers.ts";
import type { NamedMember, PackHeaders } from "../../src/blobs/pack-headers.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

async function writePack(path: string, sizes: readonly number[]): Promise<NamedMember[]> {
  const pack = new PackWriter(path);
  const members = sizes.map((size, index) => {
    const bytes = Buffer.alloc(size, index + 1);
    const name = new Bun.CryptoHasher("sha256").update(`${index}`).digest("hex");
    return { name, size, offset: pack.add(name, bytes) };
  });
  await pack.finish();
  return members;
}

function read(path: string, known: readonly NamedMember[]): PackHeaders {
  const fd = openSync(path, "r");
  try {
    return readPackHeaders(fd, readFileSync(path).length, known);
  } finally {
    closeSync(fd);
  }
}

const SIZES = [0, 1, 511, 512, 513, 3000];

test("a pack as it is written has its members and no fault, whether or not rows name them", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p"), SIZES);
  for (const known of [members, members.slice(2, 4), []]) expect(read(root.at("p"), known)).toEqual({ members, faults: [], isCut: false });
});

test("every byte that is no member's own is looked at", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p"), [1, 513]);
  const whole = readFileSync(root.at("p"));
  const isOwn = (at: number): boolean => members.some(({ offset, size }) => at >= offset && at < offset + size);
  const unseen: number[] = [];
  for (let at = 0; at < whole.length; at++) {
    if (isOwn(at)) continue;
    const hurt = Buffer.from(whole);
    hurt[at] = (hurt[at] as number) ^ 0x10;
    writeFileSync(root.at("hurt"), hurt);
    if (read(root.at("hurt"), members).faults.length === 0) unseen.push(at);
  }
  expect(unseen).toEqual([]);
});

test("behind a header that cannot be read, the members that rows name are found, and those that look like members where no row does", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p"), SIZES);
  const hurt = readFileSync(root.at("p"));
  hurt.fill(0xff, (members[2] as NamedMember).offset - 512, (members[2] as NamedMember).offset);
  writeFileSync(root.at("p"), hurt);
  for (const known of [members, []]) {
    const found = read(root.at("p"), known);
    expect(found.members.map(({ name }) => name)).toEqual(members.filter((_, nth) => nth !== 2).map(({ name }) => name));
    expect([found.faults.length, found.isCut]).toEqual([1, false]);
  }
});

test("a pack that is cut anywhere is known as such", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p"), [700, 700]);
  for (let length = readFileSync(root.at("p")).length - 1; length >= 0; length -= 97) {
    truncateSync(root.at("p"), length);
    const { faults, isCut } = read(root.at("p"), members);
    expect([length, isCut || faults.length > 0]).toEqual([length, true]);
  }
});

test("what is no pack at all has neither members nor an end", () => {
  using root = temporaryRoot();
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(100_000), Buffer.from("x".repeat(100_000))]) {
    writeFileSync(root.at("p"), bytes);
    const { members, faults, isCut } = read(root.at("p"), []);
    expect([members, isCut || faults.length > 0]).toEqual([[], true]);
  }
});
