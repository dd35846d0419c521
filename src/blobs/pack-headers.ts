import { BLOCK, isZero, parseHeader } from "./pack-header.ts";
import { readAt } from "./read-at.ts";

/** A member as the pack itself names it. */
export interface NamedMember {
  /** Hex digits of its digest. */
  name: string;
  /** Of its first byte. */
  offset: number;
  size: number;
}

export interface PackHeaders {
  members: NamedMember[];
  /** What is not as a pack is written, each with its place in the file. */
  faults: { at: number; what: string }[];
  /** It does not end as a tar file does: what came last may be missing. */
  isCut: boolean;
}

/**
 * Reads what a pack says of itself: the block in front of each member, the zeros behind it, and the two blocks at the end. Not the members' own bytes.
 * `known`: members that rows name, in the order of the file; each must be what its header says, and behind a damaged header reading goes on at the next of them.
 */
export function readPackHeaders(fd: number, size: number, known: readonly NamedMember[]): PackHeaders {
  const found: PackHeaders = { members: [], faults: [], isCut: false };
  const wanted = new Map(known.map((member) => [member.offset, member]));
  const block = Buffer.alloc(BLOCK);
  let at = 0;
  let next = 0;
  // behind a header that cannot be read
  let isLost = false;
  for (;;) {
    if (!readWhole(fd, block, at)) {
      found.isCut = true;
      return found;
    }
    const expected = wanted.get(at + BLOCK);
    const header = ownHeader(block);
    if (header === undefined && expected === undefined && isZero(block) && (!isLost || at === size - 2 * BLOCK)) {
      const end = size - at;
      if (end !== 2 * BLOCK || !readWhole(fd, block, at + BLOCK) || !isZero(block)) found.faults.push({ at, what: "its end is damaged" });
      return found;
    }
    if (expected && (header?.name !== expected.name || header.size !== expected.size))
      found.faults.push({
        at,
        what: header ? `it names another member in front of ${expected.name}` : `the header of ${expected.name} is damaged`,
      });
    else if (!header && !isLost) found.faults.push({ at, what: "a header is damaged" });
    const own = expected ?? (header && { ...header, offset: at + BLOCK });
    if (own) {
      isLost = false;
      if (header) found.members.push({ ...header, offset: at + BLOCK });
      const end = at + BLOCK + own.size;
      at = end + ((BLOCK - (own.size % BLOCK)) % BLOCK);
      const padding = block.subarray(0, at - end);
      if (readWhole(fd, padding, end) && !isZero(padding))
        found.faults.push({ at: end, what: `the bytes behind ${own.name} are not zero` });
      continue;
    }
    // nobody knows how long this member is: the next that a row names can be found, and where there is none, what looks like a header
    isLost = true;
    while (next < known.length && (known[next] as NamedMember).offset - BLOCK <= at) next++;
    const following = known[next];
    at = following ? following.offset - BLOCK : at + BLOCK;
  }
}

/** A header of ours, to the last byte; undefined where it is none. */
function ownHeader(block: Buffer): { name: string; size: number } | undefined {
  const header = parseHeader(block);
  return header?.isOurs ? { name: header.name, size: header.size } : undefined;
}

function readWhole(fd: number, into: Buffer, at: number): boolean {
  return readAt(fd, into, at) === into.length;
}
