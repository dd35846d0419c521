import type { Lineage } from "../../db/garbage/read-lineage.ts";

/** Artifacts that may go for the sake of room, in columns by their seqs: a million of them. */
export interface FitUnits {
  /** 1 for each that may. */
  mayGo: Uint8Array;
  /** When the bytes of each were last used; milliseconds. Written to: what something was made from counts as used when that was. */
  used: Float64Array;
  lineage: Lineage;
}

export interface Fit {
  /** How many were chosen. */
  count: number;
  /** Bytes. */
  freed: number;
}

/**
 * Takes the least recently used until `excess` bytes are free, or none is left. What something was made from counts as used when that
 * was used, and goes after it.
 *
 * `free` takes the seq of one and returns the bytes that become free with it; undefined, and it is not taken, where its bytes stay in any case.
 */
export function chooseToFit(units: FitUnits, excess: number, free: (seq: number) => number | undefined): Fit {
  const fit = { count: 0, freed: 0 };
  if (excess <= 0) return fit;
  const { first, list } = units.lineage;
  const needed = new Uint8Array(units.mayGo.length);
  const order = leastUsedFirst(units);
  // by index, here and below: iterators of a million places take as long as the work
  for (let nth = 0; nth < order.length && fit.freed < excess; nth++) {
    const seq = order[nth] as number;
    const bytes = needed[seq] ? undefined : free(seq);
    if (bytes === undefined) {
      // it stays, and so does what it was made from; dependents come first in this order, so that is known in time
      for (let at = first[seq] as number; at < (first[seq + 1] as number); at++) needed[list[at] as number] = 1;
      continue;
    }
    fit.count++;
    fit.freed += bytes;
  }
  return fit;
}

function leastUsedFirst({ mayGo, used, lineage: { first, list } }: FitUnits): Uint32Array {
  /** How far each stands below the last that was made from it. */
  const below = new Uint32Array(mayGo.length);
  const dependents = new Uint32Array(mayGo.length);
  let all = 0;
  for (let seq = 0; seq < mayGo.length; seq++) {
    if (mayGo[seq] !== 1) continue;
    all++;
    for (let at = first[seq] as number; at < (first[seq + 1] as number); at++) (dependents[list[at] as number] as number)++;
  }
  /** Those of which all that was made from them has had its turn. */
  const ready = new Uint32Array(all);
  let found = 0;
  for (let seq = 0; seq < mayGo.length; seq++) if (mayGo[seq] === 1 && dependents[seq] === 0) ready[found++] = seq;
  // grows while it is read
  for (let nth = 0; nth < found; nth++) {
    const seq = ready[nth] as number;
    for (let at = first[seq] as number; at < (first[seq + 1] as number); at++) {
      const dependency = list[at] as number;
      used[dependency] = Math.max(used[dependency] as number, used[seq] as number);
      below[dependency] = Math.max(below[dependency] as number, (below[seq] as number) + 1);
      if (--(dependents[dependency] as number) === 0 && mayGo[dependency] === 1) ready[found++] = dependency;
    }
  }
  // both have done their work, and a million of either are megabytes
  const [order, spare] = [ready, dependents.subarray(0, all)];
  for (let seq = 0, nth = 0; seq < mayGo.length; seq++) if (mayGo[seq] === 1) order[nth++] = seq;
  const byDepth = sortedBy(below, order, spare);
  return sortedBy(used, byDepth, byDepth === order ? spare : order);
}

const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Sorts places by their keys (whole numbers, below 0 too: times before 1970), digit by digit, and leaves those with equal keys in their order: a tenth of what comparing takes. Both lists are written to, and
 * one of them is returned.
 */
function sortedBy(keys: Float64Array | Uint32Array, places: Uint32Array, spare: Uint32Array): Uint32Array {
  let least = Infinity;
  let largest = 0;
  for (let at = 0; at < places.length; at++) {
    const key = keys[places[at] as number] as number;
    if (key < least) least = key;
    if (key > largest) largest = key;
  }
  let from = places;
  let to = spare;
  for (let scale = 1; scale <= largest - least; scale *= DIGITS) {
    const digitOf = (place: number): number => Math.floor(((keys[place] as number) - least) / scale) & (DIGITS - 1);
    const starts = new Uint32Array(DIGITS + 1);
    for (let at = 0; at < from.length; at++) (starts[digitOf(from[at] as number) + 1] as number)++;
    for (let value = 0; value < DIGITS; value++) (starts[value + 1] as number) += starts[value] as number;
    for (let at = 0; at < from.length; at++) {
      const place = from[at] as number;
      to[(starts[digitOf(place)] as number)++] = place;
    }
    [from, to] = [to, from];
  }
  return from;
}
