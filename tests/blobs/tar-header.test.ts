import { expect, test } from "bun:test";
import { TAR_END, tarHeader, tarPadding } from "../../src/blobs/tar-header.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const GIB = 1024 ** 3;

test("tar reads back what a header says: long and odd names, links, modes", async () => {
  const members = [
    { path: "d/plain.txt", size: 5, mode: 0o644 },
    { path: `d/${"ä".repeat(80)}`, size: 0, mode: 0o755 },
    { path: `${"long/".repeat(60)}end`, size: 513, mode: 0o644 },
    { path: "d/link", size: 0, mode: 0o777, target: `${"up/".repeat(50)}there` },
  ];
  const bytes = Buffer.concat([
    ...members.flatMap((member) => [tarHeader(member), Buffer.alloc(member.size), Buffer.alloc(tarPadding(member.size))]),
    TAR_END,
  ]);
  using root = temporaryRoot();
  await Bun.write(root.at("a.tar"), bytes);
  const listed = Bun.spawnSync(["tar", "--numeric-owner", "--quoting-style=literal", "-tvf", root.at("a.tar")], {
    env: { LC_ALL: "C.UTF-8", TZ: "UTC", PATH: process.env["PATH"] ?? "" },
  });
  expect(listed.stderr.toString()).toBe("");
  expect(
    listed.stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.replace(/ +/g, " ")),
  ).toEqual([
    "-rw-r--r-- 0/0 5 1970-01-01 00:00 d/plain.txt",
    `-rwxr-xr-x 0/0 0 1970-01-01 00:00 ${members[1]?.path}`,
    `-rw-r--r-- 0/0 513 1970-01-01 00:00 ${members[2]?.path}`,
    `lrwxrwxrwx 0/0 0 1970-01-01 00:00 d/link -> ${members[3]?.target}`,
  ]);
});

test("a member of 8 GiB and more carries its size in a pax record", () => {
  expect(tarHeader({ path: "big", size: 8 * GIB - 1, mode: 0o644 })).toHaveLength(512);
  const header = tarHeader({ path: "big", size: 10 * GIB, mode: 0o644 });
  expect(header).toHaveLength(3 * 512);
  expect(header.toString("latin1")).toContain(`20 size=${10 * GIB}\n`);
});
