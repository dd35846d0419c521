/** An artifact that may go for the sake of room. */
export interface FitUnit {
  seq: number;
  /** When its bytes were last used; milliseconds. */
  used: number;
}

export interface Fit {
  chosen: FitUnit[];
  /** Bytes. */
  freed: number;
}

/**
 * Takes the least recently used units until `excess` bytes are free, or none is left. What something was made from counts as used when that
 * was used, and goes after it.
 *
 * `free` takes a unit and returns the bytes that become free with it; undefined, and nothing is taken, where its bytes stay in any case.
 */
export function chooseToFit(
  units: readonly FitUnit[],
  edges: Iterable<readonly [artifact: number, dependency: number]>,
  excess: number,
  free: (seq: number) => number | undefined,
): Fit {
  const dependencies = new Map<number, number[]>(units.map((unit) => [unit.seq, []]));
  for (const [artifact, dependency] of edges) if (dependencies.has(dependency)) dependencies.get(artifact)?.push(dependency);

  const fit: Fit = { chosen: [], freed: 0 };
  const needed = new Set<number>();
  for (const unit of leastUsedFirst(units, dependencies)) {
    if (fit.freed >= excess) break;
    const bytes = needed.has(unit.seq) ? undefined : free(unit.seq);
    if (bytes === undefined) {
      // it stays, and so does what it was made from; dependents come first in this order, so that is known in time
      for (const dependency of dependencies.get(unit.seq) ?? []) needed.add(dependency);
      continue;
    }
    fit.chosen.push(unit);
    fit.freed += bytes;
  }
  return fit;
}

function leastUsedFirst(units: readonly FitUnit[], dependencies: ReadonlyMap<number, readonly number[]>): FitUnit[] {
  const dependents = new Map<number, number>();
  for (const list of dependencies.values())
    for (const dependency of list) dependents.set(dependency, (dependents.get(dependency) ?? 0) + 1);

  /** Last use, by what was made from it too, and how far below the last dependent it stands. */
  const place = new Map(units.map((unit) => [unit.seq, { used: unit.used, below: 0 }]));
  const ready = units.map((unit) => unit.seq).filter((seq) => !dependents.has(seq));
  for (const seq of ready) {
    const own = place.get(seq) as { used: number; below: number };
    for (const dependency of dependencies.get(seq) ?? []) {
      const theirs = place.get(dependency) as { used: number; below: number };
      theirs.used = Math.max(theirs.used, own.used);
      theirs.below = Math.max(theirs.below, own.below + 1);
      const left = (dependents.get(dependency) as number) - 1;
      dependents.set(dependency, left);
      if (left === 0) ready.push(dependency);
    }
  }
  const at = (unit: FitUnit) => place.get(unit.seq) as { used: number; below: number };
  return [...units].sort((a, b) => at(a).used - at(b).used || at(a).below - at(b).below || a.seq - b.seq);
}
