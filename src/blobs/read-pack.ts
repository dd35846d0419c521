import { fstatSync } from "node:fs";
import { BLOCK, isZero, parseHeader } from "./pack-header.ts";
import { readAt } from "./read-at.ts";

/** Bytes: small files and directories' lists are in packs. A header that says more was not written by us, and its member would fill the memory. */
const MAX_MEMBER = 1 << 30;

/** A member of a pack as its header says. `bytes` are its own until the next one is asked for; undefined where the file ends before they do, or they are more than a pack has. */
export interface PackMember {
  hex: string;
  size: number;
  /** Of its first byte. */
  offset: number;
  bytes: Buffer | undefined;
}

/**
 * Goes through an open pack from front to back, by its headers alone. Where one of them is damaged, the next that is whole is looked for: `lost` counts those places.
 * `isEnded`: it has the blocks that a tar file ends with.
 */
export function* packMembers(fd: number, outcome: { lost: number; isEnded: boolean }): Generator<PackMember> {
  const length = fstatSync(fd).size;
  const header = Buffer.alloc(BLOCK);
  let room = Buffer.allocUnsafe(1 << 20);
  let isWhole = true;
  for (let at = 0; readAt(fd, header, at) === BLOCK;) {
    if (isZero(header)) {
      outcome.isEnded = true;
      return;
    }
    const member = parseHeader(header);
    if (!member) {
      if (isWhole) outcome.lost++;
      isWhole = false;
      at += BLOCK;
      continue;
    }
    isWhole = true;
    const { name: hex, size } = member;
    const offset = at + BLOCK;
    const isThere = size <= MAX_MEMBER && offset + size <= length;
    if (isThere && size > room.length) room = Buffer.allocUnsafe(size);
    const bytes = room.subarray(0, isThere ? size : 0);
    yield { hex, size, offset, bytes: isThere && readAt(fd, bytes, offset) === size ? bytes : undefined };
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
}
