import { TAR_END, tarHeader, tarPadding } from "../../blobs/tar-header.ts";

export type TarMember = { path: string } & ({ kind: "file"; bytes: Uint8Array; executable: boolean } | { kind: "link"; target: string });

/** A tar file (POSIX pax) of small members, in the order given. It holds no times and no owners: the same members are the same bytes. */
export function writeTar(members: readonly TarMember[]): Buffer {
  const blocks: Uint8Array[] = [];
  for (const member of members) {
    if (member.kind === "link") blocks.push(tarHeader({ path: member.path, size: 0, mode: 0o777, target: member.target }));
    else {
      const { path, bytes, executable } = member;
      blocks.push(tarHeader({ path, size: bytes.length, mode: executable ? 0o755 : 0o644 }), bytes, Buffer.alloc(tarPadding(bytes.length)));
    }
  }
  blocks.push(TAR_END);
  return Buffer.concat(blocks);
}
