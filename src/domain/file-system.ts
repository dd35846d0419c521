import { realpathSync, statfsSync } from "node:fs";
import type { StatsFs } from "node:fs";
import { mountAround, mountTable } from "./mount-table.ts";
import type { Mount } from "./mount-table.ts";

/**
 * What a directory lies on, as far as it decides how a database may be kept there.
 *
 * local: this machine alone writes to it. memory: the same, until the machine stops. network: other machines may write to it too, or a program that may be a
 * network's. unknown: no name for it is known here.
 */
export interface FileSystem {
  /** As the kernel calls it (`ext4`, `nfs4`, `fuse.sshfs`), or its number where it has no name here. */
  name: string;
  kind: "local" | "memory" | "network" | "unknown";
}

const FUSE = 0x65735546;

type Named = Exclude<FileSystem["kind"], "unknown">;

/**
 * By the `f_type` of statfs(2), from linux/magic.h and the manual page; what is usual comes first. Every command looks here once, for one of them: a table by number
 * would cost each half a millisecond to make.
 */
const KNOWN: Readonly<Record<Named, Readonly<Record<string, number>>>> = {
  local: {
    ext4: 0xef53,
    xfs: 0x58465342,
    btrfs: 0x9123683e,
    overlay: 0x794c7630,
    zfs: 0x2fc12fc1,
    f2fs: 0xf2f52010,
    bcachefs: 0xca451a4e,
    jfs: 0x3153464a,
    reiserfs: 0x52654973,
    nilfs2: 0x3434,
    ubifs: 0x24051905,
    ecryptfs: 0xf15f,
    vfat: 0x4d44,
    exfat: 0x2011bab0,
    ntfs3: 0x7366746e,
    ntfs: 0x5346544e,
    hfsplus: 0x482b,
    udf: 0x15013346,
    squashfs: 0x73717368,
    iso9660: 0x9660,
    erofs: 0xe0f5e1e2,
    aufs: 0x61756673,
  },
  memory: { tmpfs: 0x01021994, ramfs: 0x858458f6 },
  network: {
    nfs: 0x6969,
    smb: 0x517b,
    cifs: 0xff534d42,
    smb2: 0xfe534d42,
    "9p": 0x01021997,
    ceph: 0x00c36400,
    lustre: 0x0bd00bd0,
    gpfs: 0x47504653,
    beegfs: 0x19830326,
    ocfs2: 0x7461636f,
    gfs2: 0x01161970,
    afs: 0x5346414f,
    kafs: 0x6b414653,
    coda: 0x73757245,
    ncp: 0x564c,
    panfs: 0xaad7aaea,
    acfs: 0x61636673,
    snfs: 0xbeefdead,
    orangefs: 0x20030528,
    vboxsf: 0x786f4256,
    vmhgfs: 0xbacbacbc,
    prl_fs: 0x7c7c6673,
    wekafs: 0x18031977,
  },
};

function known(number: number): FileSystem | undefined {
  for (const kind of ["local", "memory", "network"] as const)
    for (const name in KNOWN[kind]) if (KNOWN[kind][name] === number) return { name, kind };
  return undefined;
}

/** Programs that show what is on this machine in another way. Any other that speaks FUSE may show what is elsewhere. */
const LOCAL_FUSE = ["fuseblk", "fuse.fuse-overlayfs", "fuse.bindfs", "fuse.mergerfs", "fuse.gocryptfs", "fuse.encfs", "fuse.unionfs"];

/** What statfs(2) says of a disk; undefined where it says nothing. */
export function diskFigures(directory: string): StatsFs | undefined {
  try {
    return statfsSync(directory);
  } catch {
    return undefined;
  }
}

/** What a directory lies on; `type`: where statfs(2) was asked already. Costs one of these, and for FUSE a look at the mounts. */
export function fileSystemOf(directory: string, type?: number): FileSystem {
  // the numbers of other systems are not these, and change with their versions
  if (process.platform !== "linux") return { name: process.platform, kind: "local" };
  return fileSystemFrom(type ?? statfsSync(directory).type, () => mountAround(realpathSync(directory), mountTable()));
}

/** The same from what the kernel said; `mount` is asked where the number alone does not tell. */
export function fileSystemFrom(type: number, mount: () => Pick<Mount, "type"> | undefined): FileSystem {
  // on some platforms the number comes with a sign
  const number = type >>> 0;
  if (number !== FUSE) return known(number) ?? { name: `0x${number.toString(16)}`, kind: "unknown" };
  const name = mount()?.type ?? "fuse";
  return { name, kind: LOCAL_FUSE.includes(name) ? "local" : "network" };
}

/** How the database keeps what a crash must not tear. */
export type JournalMode = "wal" | "rollback";

/**
 * A write-ahead log has its index in memory that all processes share: that holds on one machine only. What may be shared with others, or is not known, gets a
 * rollback journal, which needs no more than locks.
 */
export function journalFor({ kind }: FileSystem): JournalMode {
  return kind === "local" || kind === "memory" ? "wal" : "rollback";
}
