import { CofferError } from "../domain/error.ts";

/**
 * A number of lines; 0 is all.
 * @throws CofferError USAGE
 */
export function parseLimit(text: string | undefined, unless: number): number {
  if (text === undefined) return unless;
  if (!/^[0-9]{1,9}$/.test(text))
    throw new CofferError("USAGE", `not a number of lines: “${text}”`, { hint: "write --limit 50, or 0 for all" });
  return Number(text);
}

/** No more rows than the limit (0 is all); `onMore` hears of the first one beyond it. */
export function* limited<R>(rows: Iterable<R>, limit: number, onMore: () => void): Iterable<R> {
  let count = 0;
  for (const row of rows) {
    if (limit > 0 && ++count > limit) return onMore();
    yield row;
  }
}
