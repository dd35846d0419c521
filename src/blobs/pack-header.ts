import { memberHeader } from "./pack.ts";

/** Bytes. */
export const BLOCK = 512;

export interface PackHeader {
  /** Hex digits of the member's digest. */
  name: string;
  size: number;
  /** To the last byte as we write it; what another program packed again has times and owners. */
  isOurs: boolean;
}

/** What the block in front of a member says, where its own checksum bears it out; undefined where it does not, or it names no digest. */
export function parseHeader(block: Buffer): PackHeader | undefined {
  const name = /^([0-9a-f]{64})\0/.exec(block.toString("latin1", 0, 100))?.[1];
  const octal = /^([0-7]{11})\0/.exec(block.toString("latin1", 124, 136))?.[1];
  const said = /^([0-7]{6})\0 /.exec(block.toString("latin1", 148, 156))?.[1];
  if (name === undefined || octal === undefined || said === undefined || block[156] !== 0x30) return undefined;
  let sum = 8 * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] as number;
  if (sum !== Number.parseInt(said, 8)) return undefined;
  const size = Number.parseInt(octal, 8);
  return { name, size, isOurs: memberHeader(name, size).equals(block) };
}

const ZEROS = Buffer.alloc(BLOCK);

/** `bytes`: a block at most. */
export function isZero(bytes: Buffer): boolean {
  return bytes.equals(ZEROS.subarray(0, bytes.length));
}
