import { inParallel } from "./in-parallel.ts";

/** Older servers hold each body in memory. */
const BYTES_IN_FLIGHT = 256 * 1024 * 1024;

/** What one upload takes of the room. */
export interface Load {
  bytes: number;
  /** Of `jobs`; it need not be whole. */
  places: number;
}

/** What may be on its way to one server at once, whatever it is sent for: files of a run, and of several of its models side by side. */
export class UploadRoom {
  readonly #jobs: number;
  readonly #bytes: number;
  readonly #waiting: { load: Load; begin: () => void }[] = [];
  #taken = 0;
  #flying = 0;

  /** `jobs` uploads; `bytes` of them in all, and a larger one alone. */
  constructor(jobs: number, bytes = BYTES_IN_FLIGHT) {
    this.#jobs = jobs;
    this.#bytes = bytes;
  }

  /**
   * Runs `work` for each item, in order, as there is room for what `weigh` gives. Once one has thrown, no other of these begins; those that run are waited
   * for, and the first error is thrown. An upload must not wait for another one within.
   */
  each<T>(items: Iterable<T>, weigh: (item: T) => Load, work: (item: T) => Promise<void>): Promise<void> {
    let isBroken = false;
    return inParallel(items, this.#jobs, async (item) => {
      const load = weigh(item);
      await this.#enter(load);
      try {
        if (!isBroken) await work(item);
      } catch (error) {
        isBroken = true;
        throw error;
      } finally {
        this.#leave(load);
      }
    });
  }

  /** Whoever came first goes first: a large file is not passed by small ones for ever. */
  async #enter(load: Load): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(load)) return this.#take(load);
    await new Promise<void>((resolve) => this.#waiting.push({ load, begin: resolve }));
  }

  #leave({ bytes, places }: Load): void {
    this.#taken -= places;
    this.#flying -= bytes;
    for (let next = this.#waiting[0]; next && this.#fits(next.load); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#take(next.load);
      next.begin();
    }
  }

  #take({ bytes, places }: Load): void {
    this.#taken += places;
    this.#flying += bytes;
  }

  #fits({ bytes, places }: Load): boolean {
    return this.#taken === 0 || (this.#taken + places <= this.#jobs && this.#flying + bytes <= this.#bytes);
  }
}
