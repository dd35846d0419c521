import { chmodSync } from "node:fs";

/** Entries of a directory can only be removed by who may write to it. `mode`: the one that it has. */
export function openUp(directory: string | Buffer, mode: number | bigint): void {
  const bits = Number(mode) & 0o7777;
  if ((bits & 0o700) !== 0o700) chmodSync(directory, bits | 0o700);
}
