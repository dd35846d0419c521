const FORM = /^(\d{4}(?:-\d{2}){0,2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * Milliseconds since 1970 of an ISO date (its midnight; a year's or a month's first) or date and time; UTC where no zone is given. Undefined where it is none, or there
 * is no such day.
 */
export function parseMoment(text: string): number | undefined {
  const [, given, time, zone = "Z"] = FORM.exec(text.trim()) ?? [];
  if (given === undefined || (time !== undefined && given.length < 10)) return undefined;
  const date = `${given}-01-01`.slice(0, 10);
  if (!isDay(date)) return undefined;
  const [, hours, minutes = "00"] = /^([+-]\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const found = Date.parse(`${date}T${time ?? "00:00"}${hours === undefined ? "Z" : `${hours}:${minutes}`}`);
  return Number.isNaN(found) ? undefined : found;
}

/** Date.parse takes the 30th of February for the 2nd of March. */
function isDay(date: string): boolean {
  const midnight = Date.parse(`${date}T00:00Z`);
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date);
}
