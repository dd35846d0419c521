import { CofferError } from "./error.ts";

const BYTE_UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  k: 1000,
  kb: 1000,
  kib: 1024,
  m: 1000 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1000 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
  t: 1000 ** 4,
  tb: 1000 ** 4,
  tib: 1024 ** 4,
  p: 1000 ** 5,
  pb: 1000 ** 5,
  pib: 1024 ** 5,
};

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * Bytes from `50GB`, `1.5 GiB`, `4096`. Decimal units are powers of 1000, those with an i powers of 1024.
 * @throws CofferError VALUE_INVALID
 */
export function parseBytes(text: string): number {
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)$/i.exec(text.trim());
  const name = (found?.[2] ?? "").toLowerCase();
  const unit = Object.hasOwn(BYTE_UNITS, name) ? BYTE_UNITS[name] : undefined;
  if (!found || unit === undefined)
    throw new CofferError("VALUE_INVALID", `not a size: “${text}”`, { hint: "write 500MB, 1.5GiB or a number of bytes" });
  return Math.round(Number(found[1]) * unit);
}

/** `1.4 MiB`; exact below 1 KiB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

/**
 * Milliseconds from `1h`, `30m`, `90d`, `0`. A bare number other than 0 has no unit and is refused.
 * @throws CofferError VALUE_INVALID
 */
export function parseDuration(text: string): number {
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)?$/.exec(text.trim());
  if (!found || (found[2] === undefined && Number(found[1]) !== 0))
    throw new CofferError("VALUE_INVALID", `not a duration: “${text}”`, { hint: "write 30s, 15m, 1h, 7d, or 0" });
  const time = Math.round(Number(found[1]) * (DURATION_UNITS[found[2] ?? "ms"] as number));
  if (Number.isSafeInteger(time)) return time;
  throw new CofferError("VALUE_INVALID", `longer than anything lasts: “${text.slice(0, 40)}”`, { hint: "write 30s, 15m, 1h, 7d, or 0" });
}

/** `320 ms`, `1.4 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.max(60, Math.floor(seconds));
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** `1 blob`, `2 blobs`. */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
