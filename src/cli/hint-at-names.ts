import { knownKeys } from "../db/records/known-keys.ts";
import { closest } from "../domain/closest.ts";
import type { Store } from "../store/store.ts";
import type { Io } from "./io.ts";

const MANY = 5;

/** Says of an empty list that what was asked for is called otherwise: a name that nothing has, and those that are like it. */
export function hintAtNames(io: Io, what: string, given: string, known: readonly string[]): void {
  if (known.includes(given)) return;
  const near = closest(given, known);
  const some = known.slice(0, MANY).join(", ");
  const others =
    known.length === 0 ? "there are none" : `there ${known.length === 1 ? "is" : "are"} ${some}${known.length > MANY ? ", …" : ""}`;
  io.say.info(`no ${what} is called “${given}”: ${near === undefined ? others : `did you mean ${near}?`}`);
}

/** The same of the metrics, params and tags in conditions. */
export function hintAtKeys(io: Io, store: Store, fields: readonly string[]): void {
  for (const field of new Set(fields)) {
    const found = /^(metrics|params|tags)\.(.+)$/s.exec(field);
    if (found)
      hintAtNames(
        io,
        (found[1] as string).slice(0, -1),
        found[2] as string,
        knownKeys(store.db, found[1] as "metrics" | "params" | "tags"),
      );
  }
}
