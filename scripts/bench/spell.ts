import { median } from "./measure.ts";
import type { Sample } from "./measure.ts";

export function spellMemory(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

export function spellTime(milliseconds: number): string {
  return milliseconds < 1000 ? `${Number(milliseconds.toFixed(1))} ms` : `${Number((milliseconds / 1000).toFixed(2))} s`;
}

/** The median, and the range in brackets. */
export function spellSample({ milliseconds }: Sample): string {
  const [low, middle, high] = [Math.min(...milliseconds), median(milliseconds), Math.max(...milliseconds)];
  const [divisor, unit] = middle < 1000 ? [1, "ms"] : [1000, "s"];
  const digits = middle < 100 ? 1 : middle < 1000 ? 0 : 2;
  return `${(middle / divisor).toFixed(digits)} ${unit} [${(low / divisor).toFixed(digits)}–${(high / divisor).toFixed(digits)}]`;
}
