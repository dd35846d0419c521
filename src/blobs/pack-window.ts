import { closeSync, openSync } from "node:fs";
import { FOLLOWING_READ } from "./copy.ts";
import { readMemberOf } from "./pack.ts";
import { Window } from "./window.ts";

/** Reads members of one pack in the order of the file: many at once, since a call of the system for each of 100,000 takes as long as all else. */
export class PackWindow implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  readonly #window = new Window();

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, FOLLOWING_READ);
  }

  /** A member's bytes, its own until the next one is asked for. @throws CofferError CORRUPT where the pack is cut short */
  read(offset: number, size: number): Buffer {
    // larger, behind the end, or beside what the disk cannot read: it is read, or refused, by itself
    return this.#window.show(offset, size) ?? this.#look(offset, size) ?? readMemberOf({ fd: this.#fd, path: this.#path }, offset, size);
  }

  #look(offset: number, size: number): Buffer | undefined {
    this.#window.look(this.#fd, offset, Window.MOST);
    return this.#window.show(offset, size);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
