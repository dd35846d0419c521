import { expect, test } from "bun:test";
import { statfsSync } from "node:fs";
import { fileSystemFrom, fileSystemOf, journalFor } from "../../src/domain/file-system.ts";
import { mountAround, parseMounts } from "../../src/domain/mount-table.ts";

const FUSE = 0x65735546;

test.each([
  ["ext4", 0xef53, "local", "wal"],
  ["xfs", 0x58465342, "local", "wal"],
  ["btrfs", 0x9123683e, "local", "wal"],
  ["overlay", 0x794c7630, "local", "wal"],
  ["tmpfs", 0x01021994, "memory", "wal"],
  ["nfs", 0x6969, "network", "rollback"],
  ["cifs", 0xff534d42, "network", "rollback"],
  ["smb2", 0xfe534d42, "network", "rollback"],
  ["9p", 0x01021997, "network", "rollback"],
  ["lustre", 0x0bd00bd0, "network", "rollback"],
  ["ceph", 0x00c36400, "network", "rollback"],
  ["0x12345678", 0x12345678, "unknown", "rollback"],
] as const)("%s (%i) is %s: a database there has a %s journal", (name, type, kind, journal) => {
  const system = fileSystemFrom(type, () => undefined);
  expect([system, journalFor(system)]).toEqual([{ name, kind }, journal]);
  // some platforms hand the number out with a sign
  expect(fileSystemFrom(type | 0, () => undefined)).toEqual(system);
});

test.each([
  ["fuse.sshfs", "rollback"],
  ["fuse.rclone", "rollback"],
  ["fuse.glusterfs", "rollback"],
  ["virtiofs", "rollback"],
  ["fuseblk", "wal"],
  ["fuse.fuse-overlayfs", "wal"],
] as const)("what speaks FUSE is told by its mount: %s gets %s", (type, journal) => {
  expect(journalFor(fileSystemFrom(FUSE, () => ({ type })))).toBe(journal);
});

test("FUSE without a mount that is known may be anything", () => {
  expect(fileSystemFrom(FUSE, () => undefined)).toEqual({ name: "fuse", kind: "network" });
});

test("what this very test lies on has the kernel's number", () => {
  if (process.platform === "linux")
    expect(fileSystemOf(import.meta.dir)).toEqual(fileSystemFrom(statfsSync(import.meta.dir).type, () => undefined));
});

test("the nearest mount around a path is found, the later one of two, with the options of mount and file system", () => {
  const mounts = parseMounts(
    [
      "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard",
      "30 22 0:40 / /data rw,nosuid shared:7 master:2 - nfs4 server:/x rw,vers=4.2,local_lock=none",
      "31 22 0:41 / /data/deep\\040er\\303\\251 rw - tmpfs none rw",
      "32 22 0:42 / /data rw - nfs server:/y rw,nolock,local_lock=all",
      "",
    ].join("\n"),
  );
  expect(mounts.map(({ point, type }) => `${type} ${point}`)).toEqual(["ext4 /", "nfs4 /data", "tmpfs /data/deep eré", "nfs /data"]);
  expect(mountAround("/data/x", mounts)).toEqual({ point: "/data", type: "nfs", options: ["rw", "rw", "nolock", "local_lock=all"] });
  expect(mountAround("/data/deep eré", mounts)?.type).toBe("tmpfs");
  expect(mountAround("/database", mounts)?.type).toBe("ext4");
});
