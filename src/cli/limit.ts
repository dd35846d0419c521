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
