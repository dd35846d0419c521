/** The year 10000, which ISO 8601 writes in another way. */
const END = Date.UTC(10_000, 0);

/** Milliseconds since 1970 from ISO 8601, or from seconds; Python writes no zone where it means UTC. Undefined where it is neither, or beyond all calendars. */
export function timeOf(given: unknown): number | undefined {
  if (typeof given === "number") return given > 0 ? inCalendar(Math.round(given * 1000)) : undefined;
  if (typeof given !== "string") return undefined;
  const hasClock = /[0-9][T ][0-9]{2}:[0-9]{2}/.test(given);
  const hasZone = /(?:z|[+-][0-9]{2}:?[0-9]{2})$/i.test(given);
  return inCalendar(Date.parse(hasClock && !hasZone ? `${given}Z` : given));
}

/** Undefined for what no year of four digits has. */
export function inCalendar(time: number): number | undefined {
  return Math.abs(time) < END ? time : undefined;
}
