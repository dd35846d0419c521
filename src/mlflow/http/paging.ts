import type { Connection } from "./connection.ts";
import { ServerRefusal } from "./refusal.ts";

/** Of one list: ten thousand pages of five thousand points are more than anybody's. */
const MOST_PAGES = 10_000;

/**
 * The pages of one list. Whoever answers on that port may never end it, and would keep us for ever: a page that was there before, and one too many, is an error.
 */
export class Paging {
  readonly #seen = new Set<string>();
  readonly #connection: Connection;
  readonly #what: string;

  /** `what` is for messages: `GET metrics/get-history`. */
  constructor(connection: Connection, what: string) {
    this.#connection = connection;
    this.#what = what;
  }

  /**
   * What to ask for after a page that names `token` as the next; undefined behind the last.
   * @throws CofferError SERVER_REFUSED
   */
  next(token: string | undefined): string | undefined {
    if (!token) return undefined;
    if (this.#seen.has(token) || this.#seen.size >= MOST_PAGES)
      throw new ServerRefusal(`${this.#connection.displayUri}: ${this.#what}: the list has no end`, {
        hint: "check host, port and path prefix of MLFLOW_TRACKING_URI, and the proxy before it",
      });
    this.#seen.add(token);
    return token;
  }
}
