import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { openLibc } from "../../../src/domain/libc.ts";
import { NewFiles } from "../../../src/store/bytes/new-files.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import type { TemporaryRoot } from "../../support/temporary-root.ts";

let root: TemporaryRoot;
beforeEach(() => void (root = temporaryRoot()));
afterEach(() => root[Symbol.dispose]());

const MODES = [0o644, 0o600, 0o755, 0o444, 0o666, 0o000, 0o777];
const bits = (path: string): number => statSync(path).mode & 0o7777;

/** Three files of each mode, in turn. */
function writtenModes(directory: string): number[] {
  const files = new NewFiles();
  const paths = [0, 1, 2].flatMap((turn) => MODES.map((mode) => ({ path: `${directory}/${mode}-${turn}`, mode })));
  for (const { path, mode } of paths) files.write(path, Buffer.from(path), mode);
  expect(paths.filter(({ path, mode }) => (mode & 0o400) !== 0 && readFileSync(path, "utf8") !== path)).toEqual([]);
  return paths.map(({ path }) => bits(path));
}

/** What of the rights of a new file a directory lets through (acl(5)): false where the file system or this system has no such list. */
function setDefaultList(directory: string, rights: { owner: number; group: number; other: number }): boolean {
  const entries = [
    [1, rights.owner],
    [4, rights.group],
    [0x20, rights.other],
  ] as const;
  const value = Buffer.alloc(4 + 8 * entries.length);
  value.writeUInt32LE(2);
  for (const [nth, [tag, right]] of entries.entries()) {
    value.writeUInt16LE(tag, 4 + 8 * nth);
    value.writeUInt16LE(right, 6 + 8 * nth);
    value.writeUInt32LE(0xffffffff, 8 + 8 * nth);
  }
  try {
    const { symbols } = openLibc({ setxattr: { args: ["ptr", "ptr", "ptr", "usize", "int"], returns: "int" } });
    return symbols.setxattr(Buffer.from(`${directory}\0`), Buffer.from("system.posix_acl_default\0"), value, value.length, 0) === 0;
  } catch {
    return false;
  }
}

const hasLists = ((): boolean => {
  using directory = temporaryRoot();
  return setDefaultList(directory.path, { owner: 7, group: 5, other: 0 });
})();

test.each([0, 0o022, 0o077])("files have the modes that were asked for under the umask %o", (umask) => {
  const before = process.umask(umask);
  try {
    expect(writtenModes(root.path)).toEqual([...MODES, ...MODES, ...MODES]);
  } finally {
    process.umask(before);
  }
});

test.skipIf(!hasLists)("files have the modes that were asked for in a directory whose default list takes rights away", () => {
  mkdirSync(root.at("strict"));
  expect(setDefaultList(root.at("strict"), { owner: 7, group: 5, other: 0 })).toBe(true);
  writeFileSync(root.at("strict", "plain"), "", { mode: 0o666 });
  expect(bits(root.at("strict", "plain"))).toBe(0o640);
  expect(writtenModes(root.at("strict"))).toEqual([...MODES, ...MODES, ...MODES]);
});

test("what is there already stays as it is", () => {
  writeFileSync(root.at("it"), "before");
  expect(() => new NewFiles().write(root.at("it"), Buffer.from("after"), 0o644)).toThrow("EEXIST");
  expect(readFileSync(root.at("it"), "utf8")).toBe("before");
});
