import { closeSync, cpSync, mkdirSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { memberHeader, readMember } from "../../src/blobs/pack.ts";
import { readPackHeaders } from "../../src/blobs/pack-headers.ts";
import { packMembers } from "../../src/blobs/read-pack.ts";
import { CofferError } from "../../src/domain/error.ts";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import { holds, holdsLater } from "../support/property.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const HEX = "ab".repeat(32);

/** Blocks as they stand in packs, in other tar files, and in neither. */
const block = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(HEX, "cd".repeat(32), "../../escaped", "/etc/passwd", "", "x".repeat(99)),
      fc.constantFrom(0, 1, 511, 512, 513, 8 ** 11 - 1),
    )
    .map(([name, size]) => memberHeader(name, size)),
  // another size (negative, in base 256, no number), another kind (link, device, directory), with a checksum that is right or wrong
  fc
    .tuple(
      fc.constantFrom("-0000000001\0", "\x80\0\0\0\0\0\0\0\0\0\0\x05", "\xff".repeat(12), "99999999999\0", "7".repeat(12), " 12\0", "\0"),
      fc.constantFrom("0", "1", "2", "3", "5", "x", "g", "L", "\0"),
      fc.boolean(),
    )
    .map(([size, kind, isRight]) => {
      const header = memberHeader(HEX, 5);
      header.write(size, 124, 12, "latin1");
      header.write(kind, 156, 1, "latin1");
      header.fill(" ", 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0) + (isRight ? 0 : 1);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      return header;
    }),
  fc.constantFrom(Buffer.alloc(512), Buffer.alloc(1024), Buffer.alloc(512, "x"), Buffer.from("half a block")),
  fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
);

test("whatever a pack holds, going through it ends, within its bytes, and says of a member what is there", () => {
  using root = temporaryRoot();
  const path = root.at("pack.tar");
  const known = [
    { name: HEX, offset: 512, size: 5 },
    { name: "cd".repeat(32), offset: 2048, size: 600 },
  ];
  holds(fc.array(block, { maxLength: 12 }), 600, (blocks) => {
    const bytes = Buffer.concat(blocks);
    writeFileSync(path, bytes);
    const fd = openSync(path, "r");
    try {
      const outcome = { lost: 0, isEnded: false };
      for (const { hex, offset, size, bytes: its } of packMembers(fd, outcome)) {
        expect(hex).toMatch(/^[0-9a-f]{64}$/);
        if (its) expect([its.length, its.equals(bytes.subarray(offset, offset + size))]).toEqual([size, true]);
        else expect(offset + size).toBeGreaterThan(bytes.length);
      }
      for (const rows of [[], known])
        for (const { at } of readPackHeaders(fd, bytes.length, rows).faults) expect(at).toBeLessThanOrEqual(bytes.length + 1024);
    } finally {
      closeSync(fd);
    }
    try {
      expect(readMember(path, 512, 700)).toEqual(bytes.subarray(512, 1212));
    } catch (error) {
      expect(error).toBeInstanceOf(CofferError);
    }
  });
});

test("a member that says to be larger than memory is not read into it", () => {
  using root = temporaryRoot();
  const size = 6 * 2 ** 30;
  writeFileSync(root.at("pack.tar"), memberHeader(HEX, size));
  truncateSync(root.at("pack.tar"), 512 + size + 1024);
  const fd = openSync(root.at("pack.tar"), "r");
  expect([...packMembers(fd, { lost: 0, isEnded: false })].map(({ bytes }) => bytes)).toEqual([undefined]);
  closeSync(fd);
});

const piece = fc.oneof(
  fc.constantFrom(
    "",
    "\0",
    "\n",
    "&a ",
    "*a",
    "[",
    "{",
    '"',
    "- ",
    ": ",
    "\x1b[2J",
    "../../../escaped",
    "/etc/passwd",
    "99999999999999999999",
    "-1",
    "null",
    "1e999",
    "coffer:\n",
    "\nartifacts: []\n",
    "[".repeat(50_000),
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);
/** Where in a file, in thousandths, how much goes there, and what comes instead. */
const change = fc.record({ which: fc.nat(99), at: fc.nat(1000), gone: fc.oneof(fc.constantFrom(0, 1, 4, 1_000_000), fc.nat(40)), piece });

test("whatever was written into a store's own files, each command ends with a code of the table, and writes nothing outside", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  for (let nth = 0; nth < 40; nth++) writeFileSync(root.at("d", `${nth}`), `file ${nth}`);
  for (const args of [
    ["log", root.at("d"), "--name", "d", "--metric", "loss=1", "--tag", "a=b"],
    ["log", root.at("d/1"), "--name", "one", "--depends-on", "d"],
    ["pin", "one"],
    ["run", "--", "sh", "-c", "echo x >$COFFER_WORKSPACE/x"],
  ])
    expect((await coffer(args, { root: root.at("whole/store") })).code).toBe(0);
  const files = readdirSync(root.at("whole/store"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(?:yaml|jsonl|tar)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.at("whole/").length));
  expect(files.length).toBeGreaterThan(4);
  let nth = 0;
  await holdsLater(fc.array(change, { minLength: 1, maxLength: 3 }), 8, async (changes) => {
    const place = root.at(`${nth++}`);
    cpSync(root.at("whole"), place, { recursive: true });
    for (const { which, at, gone, piece } of changes) {
      const file = join(place, files[which % files.length] as string);
      const bytes = readFileSync(file);
      const from = Math.floor((bytes.length * at) / 1000);
      writeFileSync(file, Buffer.concat([bytes.subarray(0, from), Buffer.from(piece), bytes.subarray(from + gone)]));
    }
    for (const args of [
      ["gc", "--apply", "--grace", "0"],
      ["verify"],
      ["verify", "--repair"],
      ["ls"],
      ["rebuild", "--force"],
      ["ls", "--json"],
      ["get", "d", "-o", join(place, "out")],
      ["log", root.at("d/2")],
    ]) {
      const { code, stdout, stderr } = await coffer(args, { root: join(place, "store") });
      const said = `${args.join(" ")}: ${code} ${stderr}`;
      expect([
        said,
        [0, 1, 3, 4, 5].includes(code ?? -1),
        /internal error/.test(stderr),
        /[\x00-\x08\x0b-\x1f\x7f]/.test(stdout + stderr),
      ]).toEqual([said, true, false, false]);
    }
    expect(readdirSync(place).filter((name) => name !== "out")).toEqual(["store"]);
  });
  expect(
    readdirSync(root.path)
      .filter((name) => !/^\d+$/.test(name))
      .sort(),
  ).toEqual(["d", "whole"]);
}, 170_000);

test("a manifest as large as a disk is said to be unreadable, and stops gc, in little memory", async () => {
  using root = temporaryRoot();
  expect((await coffer(["run", "--", "true"], { root: root.at("store") })).code).toBe(0);
  const [name] = readdirSync(root.at("store/manifests")).filter((one) => one.endsWith(".yaml"));
  truncateSync(root.at("store/manifests", name as string), 2 ** 40);
  writeFileSync(root.at("stray"), "x");
  for (const args of [
    ["gc", "--apply", "--grace", "0", "--failed-runs"],
    ["rebuild", "--force"],
  ]) {
    const child = spawnCoffer(args, { root: root.at("store") });
    const said = `${await child.stdout.text()}${await child.stderr.text()}`;
    expect([await child.exited, said]).toEqual([expect.any(Number), expect.not.stringContaining("internal error")]);
    expect(child.resourceUsage()?.maxRSS).toBeLessThan(500_000_000);
  }
});
