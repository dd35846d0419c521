export const BEGAN = Date.UTC(2025, 0, 1);

/** 0 to 1, the same each time. */
export function fraction(nth: number): number {
  return (mix(nth, 7) % 1_000_000) / 1_000_000;
}

/** In the order of their making, as UUIDv7 are. */
export function uuid(kind: number, nth: number): string {
  const time = (BEGAN + nth).toString(16).padStart(12, "0");
  const rest = hexOf(kind, nth);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest.slice(0, 3)}-8${rest.slice(3, 6)}-${rest.slice(6, 18)}`;
}

/** 64 hex digits, the same each time. */
export function hexOf(kind: number, nth: number): string {
  let text = "";
  for (let word = 0; word < 8; word++)
    text += mix(nth, kind * 8 + word)
      .toString(16)
      .padStart(8, "0");
  return text;
}

function mix(nth: number, salt: number): number {
  let value = Math.imul(nth + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return (value ^ (value >>> 16)) >>> 0;
}
