import { countOf, formatBytes } from "../../domain/quantity.ts";
import { cacheLimits, limitOrigin, LIMIT_NAMES } from "../../store/cache/limits.ts";
import type { LimitName, LimitOrigin } from "../../store/cache/limits.ts";
import type { Store } from "../../store/store.ts";

/** A limit of the cache, and what set it. */
export type ShownLimits = Record<LimitName, { value: number } & LimitOrigin>;

export function shownLimits(store: Store): ShownLimits {
  const limits = cacheLimits(store);
  return Object.fromEntries(
    LIMIT_NAMES.map((name) => [name, { value: limits[name], ...limitOrigin(store, name) }]),
  ) as unknown as ShownLimits;
}

/** `at most 3 entries (coffer cache set-size)`. */
export function limitText(name: LimitName, { value, source, where }: ShownLimits[LimitName]): string {
  const amount = name === "max_size" ? formatBytes(value) : countOf(value, "entry", "entries");
  const origin = source === "default" ? "default" : source === "store" ? where : `${source}: ${where}`;
  return `${value === 0 ? "off" : `at most ${amount}`} (${origin})`;
}

/** `1 copy (8 B)`. */
export function copies(count: number, bytes: number): string {
  return `${countOf(count, "copy", "copies")} (${formatBytes(bytes)})`;
}
