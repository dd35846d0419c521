import { fstatSync, readSync } from "node:fs";

const BLOCK = 512;
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
  for (let at = 0; readInto(fd, header, BLOCK, at) === BLOCK;) {
    if (isZero(header)) {
      outcome.isEnded = true;
      return;
    }
    const member = parse(header);
    if (!member) {
      if (isWhole) outcome.lost++;
      isWhole = false;
      at += BLOCK;
      continue;
    }
    isWhole = true;
    const { size } = member;
    const offset = at + BLOCK;
    const isThere = size <= MAX_MEMBER && offset + size <= length;
    if (isThere && size > room.length) room = Buffer.allocUnsafe(size);
    yield { ...member, offset, bytes: isThere && readInto(fd, room, size, offset) === size ? room.subarray(0, size) : undefined };
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function parse(header: Buffer): { hex: string; size: number } | undefined {
  const [, hex] = /^([0-9a-f]{64})\0/.exec(header.toString("latin1", 0, 100)) ?? [];
  const [, octal] = /^([0-7]{11})\0/.exec(header.toString("latin1", 124, 136)) ?? [];
  const [, said] = /^([0-7]{6})\0 /.exec(header.toString("latin1", 148, 156)) ?? [];
  if (hex === undefined || octal === undefined || said === undefined || header[156] !== 0x30) return undefined;
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  return sum === parseInt(said, 8) ? { hex, size: parseInt(octal, 8) } : undefined;
}

function readInto(fd: number, target: Buffer, size: number, from: number): number {
  let at = 0;
  while (at < size) {
    const read = readSync(fd, target, at, size - at, from + at);
    if (read === 0) break;
    at += read;
  }
  return at;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}
