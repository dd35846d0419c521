/** Milliseconds since 1970 from ISO 8601, or from seconds; Python writes no zone where it means UTC. Undefined where it is neither. */
export function timeOf(given: unknown): number | undefined {
  if (typeof given === "number") return Number.isFinite(given) && given > 0 ? Math.round(given * 1000) : undefined;
  if (typeof given !== "string") return undefined;
  const hasClock = /[0-9][T ][0-9]{2}:[0-9]{2}/.test(given);
  const hasZone = /(?:z|[+-][0-9]{2}:?[0-9]{2})$/i.test(given);
  const time = Date.parse(hasClock && !hasZone ? `${given}Z` : given);
  return Number.isSafeInteger(time) ? time : undefined;
}
