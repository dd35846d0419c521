/** Artifacts that may go for the sake of room, in the order of their seqs; a million of them, so in columns. */
export interface FitUnits {
  seqs: Float64Array;
  /** When the bytes of each were last used; milliseconds. */
  used: Float64Array;
}

export interface Fit {
  /** Places in the columns, in the order in which they were taken. */
  chosen: Uint32Array;
  /** Bytes. */
  freed: number;
}

/**
 * Takes the least recently used units until `excess` bytes are free, or none is left. What something was made from counts as used when that
 * was used, and goes after it.
 *
 * `free` takes the place of a unit and returns the bytes that become free with it; undefined, and nothing is taken, where its bytes stay in any case.
 */
export function chooseToFit(
  { seqs, used }: FitUnits,
  edges: Iterable<{ artifact: number; dependency: number }>,
  excess: number,
  free: (place: number) => number | undefined,
): Fit {
  if (excess <= 0) return { chosen: new Uint32Array(), freed: 0 };
  const graph = dependenciesOf(seqs, edges);
  const needed = new Uint8Array(seqs.length);
  const chosen = new Uint32Array(seqs.length);
  let count = 0;
  let freed = 0;
  for (const place of leastUsedFirst(used, graph)) {
    if (freed >= excess) break;
    const bytes = needed[place] ? undefined : free(place);
    if (bytes === undefined) {
      // it stays, and so does what it was made from; dependents come first in this order, so that is known in time
      for (let at = graph.first[place] as number; at < (graph.first[place + 1] as number); at++) needed[graph.list[at] as number] = 1;
      continue;
    }
    chosen[count++] = place;
    freed += bytes;
  }
  return { chosen: chosen.subarray(0, count), freed };
}

/** The dependencies of unit i are list[first[i]] … list[first[i + 1] - 1]. */
interface Graph {
  first: Uint32Array;
  list: Uint32Array;
}

function dependenciesOf(seqs: Float64Array, edges: Iterable<{ artifact: number; dependency: number }>): Graph {
  const placeOf = finder(seqs);
  // columns, here and below: lists of a million numbers take several times as much memory
  let from = new Uint32Array(seqs.length);
  let to = new Uint32Array(seqs.length);
  let count = 0;
  const first = new Uint32Array(seqs.length + 1);
  for (const { artifact, dependency } of edges) {
    const [place, other] = [placeOf(artifact), placeOf(dependency)];
    if (place === -1 || other === -1) continue;
    if (count === from.length) [from, to] = [doubled(from), doubled(to)];
    from[count] = place;
    to[count++] = other;
    (first[place + 1] as number)++;
  }
  for (let place = 0; place < seqs.length; place++) (first[place + 1] as number) += first[place] as number;
  const next = first.slice();
  const list = new Uint32Array(count);
  for (let at = 0; at < count; at++) list[(next[from[at] as number] as number)++] = to[at] as number;
  return { first, list };
}

function doubled(column: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * column.length + 1);
  larger.set(column);
  return larger;
}

/** Where a seq stands in its column; -1 where it does not. Seqs of one store are mostly dense, and then a table knows at once. */
function finder(seqs: Float64Array): (seq: number) => number {
  const least = seqs[0] ?? 0;
  const span = (seqs.at(-1) ?? 0) - least + 1;
  if (span > 4 * seqs.length) return (seq) => search(seqs, seq);
  const places = new Int32Array(span).fill(-1);
  for (let place = 0; place < seqs.length; place++) places[(seqs[place] as number) - least] = place;
  return (seq) => places[seq - least] ?? -1;
}

function search(seqs: Float64Array, seq: number): number {
  let low = 0;
  for (let high = seqs.length - 1; low <= high;) {
    const middle = (low + high) >> 1;
    const found = seqs[middle] as number;
    if (found === seq) return middle;
    if (found < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

function leastUsedFirst(given: Float64Array, { first, list }: Graph): Uint32Array {
  const used = given.slice();
  /** How far each stands below the last that was made from it. */
  const below = new Uint32Array(used.length);
  const dependents = new Uint32Array(used.length);
  for (let at = 0; at < list.length; at++) (dependents[list[at] as number] as number)++;
  /** Those of which all that was made from them has had its turn. */
  const ready = new Uint32Array(used.length);
  let count = 0;
  for (let place = 0; place < used.length; place++) if (dependents[place] === 0) ready[count++] = place;
  // grows while it is read
  for (let nth = 0; nth < count; nth++) {
    const place = ready[nth] as number;
    for (let at = first[place] as number; at < (first[place + 1] as number); at++) {
      const dependency = list[at] as number;
      used[dependency] = Math.max(used[dependency] as number, used[place] as number);
      below[dependency] = Math.max(below[dependency] as number, (below[place] as number) + 1);
      if (--(dependents[dependency] as number) === 0) ready[count++] = dependency;
    }
  }
  return sortedBy(used, sortedBy(below, inOrder(used.length)));
}

function inOrder(count: number): Uint32Array<ArrayBuffer> {
  const places = new Uint32Array(count);
  for (let place = 0; place < count; place++) places[place] = place;
  return places;
}

const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/** Sorts places by their keys (integers from 0), digit by digit, and leaves those with equal keys in their order: a tenth of what comparing takes. */
function sortedBy(keys: Float64Array | Uint32Array, places: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  let least = Infinity;
  let largest = 0;
  // by index, here and below: iterators of a million places take as long as the work
  for (let place = 0; place < keys.length; place++) {
    const key = keys[place] as number;
    if (key < least) least = key;
    if (key > largest) largest = key;
  }
  let from = places;
  let to = new Uint32Array(places.length);
  const digits = new Uint16Array(keys.length);
  for (let scale = 1; scale <= largest - least; scale *= DIGITS) {
    const starts = new Uint32Array(DIGITS + 1);
    for (let place = 0; place < keys.length; place++) {
      const digit = (digits[place] = Math.floor(((keys[place] as number) - least) / scale) & (DIGITS - 1));
      (starts[digit + 1] as number)++;
    }
    for (let value = 0; value < DIGITS; value++) (starts[value + 1] as number) += starts[value] as number;
    for (let at = 0; at < from.length; at++) {
      const place = from[at] as number;
      to[(starts[digits[place] as number] as number)++] = place;
    }
    [from, to] = [to, from];
  }
  return from;
}
