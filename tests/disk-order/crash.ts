import { numbersFrom } from "../../scripts/soak/random.ts";
import { Image } from "../support/disk/image.ts";
import type { Operation } from "../support/disk/image.ts";
import type { Logged } from "../support/disk/operation-log.ts";

/**
 * What a disk may hold when the machine stops after the first `cut` operations. Only flushes promise anything: that of a file its bytes, that of a directory its
 * names. Names of one directory arrive in their order; all else arrives in any order, or never.
 *
 * `durable`: what was flushed, and no more. `names`: every name, but of the bytes only what was flushed. `holes`: the same, and files have their sizes: zeros where the
 * bytes should be. `all`: everything. A number: some of it, by chance.
 */
export type Variant = "durable" | "names" | "holes" | "all" | number;

export function diskAfter(operations: readonly Logged[], cut: number, variant: Variant): Image {
  const done = operations.slice(0, cut);
  const isDurable = flushed(done);
  const image = new Image();
  const chance = typeof variant === "number" ? numbersFrom(variant * 7919 + cut) : undefined;
  const likely = chance ? ([0.1, 0.5, 0.9][Math.floor(chance() * 3)] as number) : 0;
  /** Directories of which a name did not arrive: no later one does. */
  const behind = new Set<number>();

  const arrives = (operation: Operation, index: number): boolean => {
    if (isDurable[index] || variant === "all") return true;
    const directories = directoriesOf(operation);
    if (directories.length === 0) return chance !== undefined && chance() < likely;
    if (chance === undefined) return variant !== "durable";
    if (!directories.some((directory) => behind.has(directory)) && chance() < 0.5 + likely / 2) return true;
    for (const directory of directories) behind.add(directory);
    return false;
  };

  for (const [index, operation] of done.entries()) {
    if (operation.op === "create") image.make(operation);
    if (!arrives(operation, index)) {
      const hasSize = variant === "holes" || (chance !== undefined && chance() < 0.3);
      if (operation.op === "write" && hasSize) grow(image, operation.ino, operation.offset + operation.bytes.length);
    } else if (operation.op === "write" && chance && !isDurable[index]) image.apply(torn(operation, chance));
    else image.apply(operation);
  }
  return image;
}

/** Of each operation, whether a flush came after it that took it along. */
function flushed(done: readonly Operation[]): boolean[] {
  const synced = new Map<number, boolean>();
  const result: boolean[] = [];
  for (let index = done.length - 1; index >= 0; index--) {
    const operation = done[index] as Operation;
    if (operation.op === "sync") synced.set(operation.ino, true);
    else if (operation.op === "lost") synced.set(operation.ino, false);
    const directories = directoriesOf(operation);
    const involved = directories.length > 0 || operation.op === "mark" ? directories : [operation.ino];
    result[index] = involved.some((ino) => synced.get(ino) === true);
  }
  return result;
}

function directoriesOf(operation: Operation): number[] {
  switch (operation.op) {
    case "create":
    case "link":
    case "unlink":
      return [operation.dir];
    case "rename":
      return [operation.dir, operation.toDir];
    default:
      return [];
  }
}

function grow(image: Image, ino: number, size: number): void {
  if ((image.get(ino)?.size ?? size) < size) image.apply({ op: "truncate", ino, size });
}

const SECTOR = 512;

/** A disk writes sectors: the first few of a write may have arrived. */
function torn(operation: Operation & { op: "write" }, chance: () => number): Operation {
  const sectors = Math.ceil(operation.bytes.length / SECTOR);
  if (sectors < 2 || chance() < 0.7) return operation;
  return { ...operation, bytes: operation.bytes.subarray(0, SECTOR * Math.ceil(chance() * (sectors - 1))) };
}
