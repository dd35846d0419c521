import { expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, truncateSync, writeFileSync } from "node:fs";
import { PackWriter, readMember } from "../../src/blobs/pack.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** Members of every size that matters to a tar file. */
const SIZES = [0, 1, 511, 512, 513, 10_240, 131_071, 5 << 20, 9 << 20];

async function writePack(path: string): Promise<{ name: string; bytes: Buffer; offset: number }[]> {
  const pack = new PackWriter(path);
  const members = SIZES.map((size, index) => {
    const bytes = Buffer.alloc(size, index + 1);
    const name = Bun.CryptoHasher.hash("sha256", bytes, "hex");
    return { name, bytes, offset: pack.add(name, bytes) };
  });
  await pack.finish();
  return members;
}

test("each member is read back from its offset", async () => {
  using root = temporaryRoot();
  for (const { bytes, offset } of await writePack(root.at("p.tar")))
    expect(readMember(root.at("p.tar"), offset, bytes.length).equals(bytes)).toBe(true);
});

test("tar lists a pack and unpacks the very bytes", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p.tar"));
  const tar = (...args: string[]) => Bun.spawnSync(["tar", ...args], { stderr: "pipe" });
  const listed = tar("tf", root.at("p.tar"));
  expect([listed.exitCode, listed.stderr.toString(), listed.stdout.toString().trim().split("\n")]).toEqual([
    0,
    "",
    members.map(({ name }) => name),
  ]);
  mkdirSync(root.at("out"));
  expect(tar("xf", root.at("p.tar"), "-C", root.at("out")).exitCode).toBe(0);
  for (const { name, bytes } of members) expect(readFileSync(root.at("out", name)).equals(bytes)).toBe(true);
});

const python = Bun.which("python3");
if (!python) console.error("skipped: there is no python3 to read a pack with");
test.skipIf(!python)("Python's tarfile reads a pack to its end, modes and sizes included", async () => {
  using root = temporaryRoot();
  const members = await writePack(root.at("p.tar"));
  const program = "import sys, tarfile\nfor m in tarfile.open(sys.argv[1], 'r:'): print(m.name, m.size, oct(m.mode), m.isreg(), m.mtime)";
  const read = Bun.spawnSync([python as string, "-c", program, root.at("p.tar")]);
  expect(read.stdout.toString()).toBe(members.map(({ name, bytes }) => `${name} ${bytes.length} 0o444 True 0\n`).join(""));
});

test("the same members make the same pack, byte for byte", async () => {
  using root = temporaryRoot();
  await writePack(root.at("a.tar"));
  await writePack(root.at("b.tar"));
  expect(readFileSync(root.at("a.tar")).equals(readFileSync(root.at("b.tar")))).toBe(true);
});

test("a file that was read and not kept leaves nothing behind, and one of another size is not read", async () => {
  using root = temporaryRoot();
  const pack = new PackWriter(root.at("p.tar"));
  writeFileSync(root.at("large"), Buffer.alloc(100_000, 7));
  writeFileSync(root.at("small"), "abc");
  const read = (name: string, size: number): string | undefined => {
    const fd = openSync(root.at(name), "r");
    try {
      return pack.read(fd, size)?.toString();
    } finally {
      closeSync(fd);
    }
  };
  expect(read("large", 100_000)?.length).toBe(100_000);
  expect([read("small", 2), read("small", 4), read("small", 3)]).toEqual([undefined, undefined, "abc"]);
  const offset = pack.keep("f".repeat(64), 3);
  expect(await pack.finish()).toBe(512 + 512 + 1024);
  expect(readMember(root.at("p.tar"), offset, 3).toString()).toBe("abc");
});

test("a pack that was cut short is damaged, and says so", async () => {
  using root = temporaryRoot();
  const last = (await writePack(root.at("p.tar"))).at(-1) as { bytes: Buffer; offset: number };
  truncateSync(root.at("p.tar"), last.offset + 10);
  expect(() => readMember(root.at("p.tar"), last.offset, last.bytes.length)).toThrow(expect.objectContaining({ code: "CORRUPT" }));
});

test("a pack is never written over another", async () => {
  using root = temporaryRoot();
  await writePack(root.at("p.tar"));
  expect(() => new PackWriter(root.at("p.tar"))).toThrow("EEXIST");
});

test("an abandoned pack leaves neither a file nor a descriptor, finished or not, and may be abandoned twice", async () => {
  using root = temporaryRoot();
  const begun = new PackWriter(root.at("begun.tar"));
  begun.add("a", Buffer.alloc(9 << 20));
  const finished = new PackWriter(root.at("finished.tar"));
  await finished.finish();
  for (const pack of [begun, begun, finished]) {
    await pack.abandon();
    expect([existsSync(pack.path), isOpen(pack.path)]).toEqual([false, false]);
  }
});

/** Where there is no /proc, nothing is known. */
function isOpen(path: string): boolean {
  if (!existsSync("/proc/self/fd")) return false;
  return readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
    } catch {
      return false;
    }
  });
}
