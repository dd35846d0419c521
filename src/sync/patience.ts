/** How long a server is waited for, in milliseconds. */
export interface Limits {
  /** For its first useful answer: a server that is away is not worth its whole retry policy. */
  untilAnswer?: number;
  /** For all of it. */
  inAll?: number;
}

/** A server that says nothing for so long is away, in milliseconds; one that has answered gets MLflow's own patience. */
export const AWAY_MS = 15_000;

/** A signal that fires when a limit passes, or with the caller's own. */
export class Patience implements Disposable {
  readonly signal: AbortSignal;
  readonly #silence: NodeJS.Timeout | undefined;
  readonly #end: NodeJS.Timeout | undefined;

  constructor({ untilAnswer, inAll }: Limits, given?: AbortSignal) {
    const own = new AbortController();
    // the name tells an end of time from an interruption
    const giveUp = (why: string) => () => own.abort(new DOMException(why, "TimeoutError"));
    if (untilAnswer !== undefined) this.#silence = setTimeout(giveUp(`no answer within ${untilAnswer / 1000} s`), untilAnswer);
    if (inAll !== undefined) this.#end = setTimeout(giveUp(`coffer waits for ${inAll / 1000} s in all`), inAll);
    this.signal = given ? AbortSignal.any([given, own.signal]) : own.signal;
  }

  answered(): void {
    clearTimeout(this.#silence);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#end);
  }
}
